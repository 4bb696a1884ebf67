# The first process of a node, in a mount and a process namespace of its own: ends, and the kernel ends all the rest.
# Wants: NODE its name, HOME_ its folder, SANDBOX the image of pods' sandboxes, ADDRESSES its addresses, LABELS its labels.
set -eu
mount --make-rprivate /
# containerd's and the network plugins' sockets, locks and names.
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
own() { mkdir -p "$2" "$1"; mount --bind "$2" "$1"; }
own /etc/cni/net.d "$HOME_/cni/net.d"
own /opt/cni/bin "$HOME_/cni/bin"
own /var/lib/cni "$HOME_/cni/lib"
own /var/run/cilium "$HOME_/run-cilium"
own /var/log/pods "$HOME_/log-pods"
own /var/log/containers "$HOME_/log-containers"
cp -n /usr/lib/cni/* /opt/cni/bin/
mount -t bpf bpf /sys/fs/bpf
# The chart mounts with Bidirectional propagation.
mount --make-rshared /
hostname "$NODE" 2>/dev/null || true

containerd --config "$HOME_/containerd.toml" >"$HOME_/containerd.log" 2>&1 &
while ! [ -S "$HOME_/containerd.sock" ]; do sleep 0.05; done
for image in $IMAGES; do
  ctr -a "$HOME_/containerd.sock" -n k8s.io images import --no-unpack "$image" >>"$HOME_/images.log" 2>&1
done
: >"$HOME_/images-ready"
"$PROXY" --config "$HOME_/kube-proxy.yaml" --hostname-override "$NODE" >"$HOME_/kube-proxy.log" 2>&1 &
"$KUBELET" --config "$HOME_/kubelet.yaml" --kubeconfig "$KUBECONFIG" --hostname-override "$NODE" \
  --node-ip "$ADDRESSES" --node-labels "$LABELS" --root-dir "$HOME_/kubelet" >"$HOME_/kubelet.log" 2>&1 &
wait
