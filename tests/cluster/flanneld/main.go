// Flannel's daemon for the tests: what its own main does with Kubernetes as its store, with the back-ends `vxlan` and
// `host-gw`. Its own main imports the clouds' SDKs, which not every module proxy has.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
)

var version = "unknown"

const (
	annotations = "flannel.alpha.coreos.com"
	netConf     = "/etc/kube-flannel/net-conf.json"
	subnetFile  = "/run/flannel/subnet.env"
	resync      = 5
)

func run(ctx context.Context, wg *sync.WaitGroup) error {
	// Its kubeconfig is the pod's service account.
	store, err := kube.NewSubnetManager(ctx, "", "", annotations, netConf, true)
	if err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	config, err := store.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("the configuration: %w", err)
	}
	family, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return err
	}
	link, err := ipmatch.LookupExtIface("", "", "", family, ipmatch.PublicIPOpts{})
	if err != nil {
		return fmt.Errorf("the link: %w", err)
	}
	chosen, err := backend.NewManager(ctx, store, link).GetBackend(config.BackendType)
	if err != nil {
		return err
	}
	network, err := chosen.RegisterNetwork(ctx, wg, config)
	if err != nil {
		return fmt.Errorf("the network: %w", err)
	}
	rules := &nftables.NFTablesManager{}
	if err := rules.Init(ctx); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	lease := network.Lease()
	err = rules.SetupAndEnsureMasqRules(ctx, config.Network, ip.IP4Net{}, ip.IP4Net{}, config.IPv6Network, ip.IP6Net{},
		ip.IP6Net{}, lease, resync, false)
	if err != nil {
		return fmt.Errorf("masquerading: %w", err)
	}
	rules.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, resync)
	if err := store.HandleSubnetFile(subnetFile, config, true, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return fmt.Errorf("the subnet: %w", err)
	}
	wg.Add(1)
	go func() {
		network.Run(ctx)
		wg.Done()
	}()
	return store.CompleteLease(ctx, lease, wg)
}

func main() {
	asked := flag.Bool("version", false, "say the version and end")
	flag.Parse()
	if *asked {
		fmt.Println(version)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var wg sync.WaitGroup
	if err := run(ctx, &wg); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "flanneld:", err)
		os.Exit(1)
	}
	wg.Wait()
}
