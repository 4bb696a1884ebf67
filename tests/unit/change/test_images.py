from __future__ import annotations

from ciliumctl.change.images import values_for


def test_the_preflight_release_has_only_what_pulls_images_and_reaches_the_api_server() -> None:
    values = values_for(
        {
            "hubble": {"relay": {"enabled": True}, "ui": {"enabled": True}},
            "clustermesh": {"useAPIServer": True},
            "operator": {"replicas": 1, "prometheus": {"enabled": True}},
            "kubeProxyReplacement": True,
            "k8sServiceHost": "192.0.2.1",
            "k8sServicePort": 6443,
            "imagePullSecrets": [{"name": "mirror"}],
        }
    )
    assert values == {
        "preflight": {"enabled": True},
        "agent": False,
        "operator": {"enabled": False},
        "kubeProxyReplacement": True,
        "k8sServiceHost": "192.0.2.1",
        "k8sServicePort": 6443,
        "imagePullSecrets": [{"name": "mirror"}],
    }


def test_a_mirror_of_the_agents_image_is_the_preflights_too_unless_it_has_its_own() -> None:
    image = {"repository": "registry.example/cilium", "useDigest": False}
    values = values_for({"image": image, "envoy": {"image": {"override": "registry.example/envoy:1"}}})
    assert values["preflight"]["image"] == image
    assert values["preflight"]["envoy"]["image"] == {"override": "registry.example/envoy:1"}
    own = {"image": {"repository": "registry.example/other"}, "tolerations": []}
    values = values_for({"image": image, "preflight": own})
    assert values["preflight"]["image"] == {"repository": "registry.example/other", "useDigest": False}
    assert values["preflight"]["tolerations"] == []
