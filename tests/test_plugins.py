"""What is found in each folder that is scanned for plugins: a file more or less is seen here."""

from __future__ import annotations

import pytest

from controller import manager
from pocketkube.api.scheme import GROUP_FOLDERS, builtin
from pocketkube.base import plugins
from scheduler import profile

EXPECTED = {
    ("controller.loops", "CONTROLLER"): """
        bootstrap_signer clusterrole_aggregation cronjob csr_approving csr_cleaner csr_signing daemonset
        deployment disruption endpoints endpointslice endpointslice_mirroring ephemeral_node ephemeral_volume
        garbage_collector horizontalpodautoscaler job kubelet_serving_approving namespace node_ipam
        node_lifecycle persistentvolume_binder pod_garbage_collector pv_protection pvc_protection replicaset
        replicationcontroller resourcequota root_ca_publisher service_cidr serviceaccount serviceaccount_secret serviceaccount_token
        statefulset
        taint_eviction token_cleaner ttl ttl_after_finished validatingadmissionpolicy_status
    """,
    ("scheduler.plugins", "PLUGIN"): """
        default_binder default_preemption image_locality inter_pod_affinity node_affinity node_name node_ports
        node_resources_balanced_allocation node_resources_fit node_unschedulable node_volume_limits
        pod_topology_spread priority_sort scheduling_gates taint_toleration volume_binding volume_restrictions
        volume_zone
    """,
    ("kubelet.volumes.plugins", "VOLUME"): """
        configmap downwardapi emptydir hostpath persistentvolumeclaim projected secret
    """,
    ("apiserver.admission.plugins", "ADMISSION"): """
        always_pull_images certificate_approval certificate_signing certificate_subject_restriction
        default_ingress_class default_storage_class default_toleration_seconds event_rate_limit extended_resource_toleration
        limit_ranger mutating_admission_policy mutating_admission_webhook namespace_lifecycle node_restriction
        owner_references_permission_enforcement persistent_volume_claim_resize pod_node_selector pod_security
        pod_topology_labels priority resource_quota role_escalation runtime_class service_account
        storage_object_in_use_protection taint_nodes_by_condition validating_admission_policy
        validating_admission_webhook
    """,
    ("apiserver.registry.strategies", "STRATEGY"): """
        certificatesigningrequests customresourcedefinitions namespaces pods services
    """,
    ("proxy.backends", "BACKEND"): """
        nftables userspace
    """,
    ("pocketkube.cluster.verbs", "VERB"): """
        build down join kubeconfig kubectl leave load logs snapshot start status stop test token up
    """,
}
KINDS = {
    "core": """
        binding componentstatus configmap endpoints event limitrange namespace node persistentvolume
        persistentvolumeclaim pod podtemplate replicationcontroller resourcequota secret service
        serviceaccount
    """,
    "apps": "controllerrevision daemonset deployment replicaset statefulset",
    "batch": "cronjob cronjob_v1beta1 job",
    "autoscaling": "horizontalpodautoscaler horizontalpodautoscaler_v1",
    "policy": "poddisruptionbudget poddisruptionbudget_v1beta1",
    "rbac": "clusterrole clusterrolebinding role rolebinding",
    "networking": "ingress ingressclass ipaddress networkpolicy servicecidr",
    "storage": "csidriver csinode csistoragecapacity storageclass volumeattachment volumeattributesclass",
    "storagemigration": "storageversionmigration storageversionmigration_v1beta1",
    "coordination": "lease leasecandidate",
    "discovery": "endpointslice endpointslice_v1beta1",
    "events": "event",
    "node": "runtimeclass",
    "scheduling": "podgroup priorityclass workload",
    "certificates": """
        certificatesigningrequest clustertrustbundle clustertrustbundle_v1beta1 podcertificaterequest
        podcertificaterequest_v1beta1
    """,
    "admissionregistration": """
        mutatingadmissionpolicy mutatingadmissionpolicy_v1beta1 mutatingadmissionpolicybinding
        mutatingadmissionpolicybinding_v1beta1 mutatingwebhookconfiguration validatingadmissionpolicy
        validatingadmissionpolicybinding validatingwebhookconfiguration
    """,
    "apiextensions": "customresourcedefinition",
    "apiregistration": "apiservice",
    "authentication": "selfsubjectreview tokenreview",
    "authorization": "localsubjectaccessreview selfsubjectaccessreview selfsubjectrulesreview subjectaccessreview",
    "flowcontrol": "flowschema prioritylevelconfiguration",
    "resource": """
        deviceclass deviceclass_v1beta1 deviceclass_v1beta2 devicetaintrule devicetaintrule_v1beta2
        resourceclaim resourceclaim_v1beta1 resourceclaim_v1beta2 resourceclaimtemplate
        resourceclaimtemplate_v1beta1 resourceclaimtemplate_v1beta2 resourceslice resourceslice_v1beta1
        resourceslice_v1beta2
    """,
}


@pytest.mark.parametrize(("package", "constant"), EXPECTED, ids=lambda value: value)
def test_every_plugin_is_found(package: str, constant: str) -> None:
    assert list(plugins.scan(package, constant)) == sorted(EXPECTED[package, constant].split())


def test_every_group_of_kinds_is_listed() -> None:
    assert set(GROUP_FOLDERS) == set(KINDS)


@pytest.mark.parametrize("group", KINDS)
def test_every_kind_is_found(group: str) -> None:
    assert list(plugins.scan(f"pocketkube.api.kinds.{group}", "KIND")) == sorted(KINDS[group].split())


def test_no_kind_hides_another() -> None:
    assert len(builtin().kinds()) == sum(len(names.split()) for names in KINDS.values())


def test_no_controller_hides_another() -> None:
    names = [name for loop in manager.known().values() for name in (loop.name, *loop.aliases)]
    assert len(manager.known()) == len(EXPECTED["controller.loops", "CONTROLLER"].split())
    assert len(set(names)) == len(names)


def test_every_scheduler_plugin_is_in_the_default_profile() -> None:
    assert sorted(chosen.name for chosen in profile.DEFAULT) == sorted(profile.available())
