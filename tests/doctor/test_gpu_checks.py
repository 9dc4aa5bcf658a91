"""Checks of the GPU: each cause is distinguished and has a finding, a need and a remedy."""

import re
from dataclasses import replace

import pytest

from pse_repro.data.batches import MODEL_BYTES
from pse_repro.doctor.check import Check
from pse_repro.doctor.facts import Facts, Torch
from pse_repro.doctor.gpu_checks import check_driver, check_gpu, check_gpu_memory, check_torch, gpu_checks
from pse_repro.doctor.needs import UNLABELED_BYTES
from pse_repro.machine.nvidia import Nvidia
from tests.support.invented_machines import DRIVEN, GB, H200, machine, without_gpu

CPU_BUILD = Torch("2.15.0+cpu")
CUDA_13 = Torch("2.15.0", "13.0", ("sm_90",))


def driver(facts: Facts) -> Check:
    check = check_driver(facts)
    assert check is not None
    return check


def test_a_gpu_that_works_is_good_throughout() -> None:
    checks = gpu_checks(machine())
    assert [(check.name, check.state) for check in checks] == [
        ("PyTorch", "good"), ("NVIDIA driver", "good"), ("GPU", "good"), ("GPU memory", "good"),
    ]  # fmt: skip
    assert not any(check.remedy or check.blocks for check in checks)
    assert checks[0].found == "2.15.0, built for CUDA 13.0"
    assert checks[1].found == "580.65.06, which supports CUDA 13.0 and older"
    assert checks[2].found == "NVIDIA H200, compute capability 9.0"


def test_no_nvidia_hardware_at_all() -> None:
    facts = without_gpu(nvidia=Nvidia(), torch=CPU_BUILD)
    assert [check.name for check in gpu_checks(facts)] == ["PyTorch", "GPU"]  # driver and memory do not apply
    assert check_torch(facts).state == "good"
    check = check_gpu(facts)
    assert (check.state, check.blocks) == ("bad", ("quick", "full"))
    assert check.found == "no NVIDIA GPU in this machine"
    assert check.needed == "one that PyTorch sees, for quick and full"
    assert check.remedy.startswith("use a machine with one")
    assert "pse-repro smoke" in check.remedy


def test_hardware_without_a_driver() -> None:
    facts = without_gpu(nvidia=Nvidia(on_bus=2), torch=CUDA_13)
    check = driver(facts)
    assert (check.state, check.found, check.needed) == (
        "bad", "none for 2 NVIDIA GPUs", "driver 580 or newer, for any CUDA 13.x",
    )  # fmt: skip
    assert check.remedy == "install NVIDIA's driver (https://www.nvidia.com/drivers), then reboot"
    assert check_gpu(facts).remedy == "see NVIDIA driver"


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("580.65.06", r"install PyTorch's build for CUDA 13.x \(.* has the command\)"),
        ("550.54", r"install PyTorch's build for CUDA 12.x \(.* has the command\)"),
        ("470.1", r"install PyTorch's build for CUDA 11.x \(.* has the command\)"),
        ("390.157", r"update the NVIDIA driver first \(https://www.nvidia.com/drivers\), then install a CUDA build"),
        ("", r"install PyTorch's build for CUDA 13.x \(.*\)"),
    ],
)
def test_a_cpu_only_build_beside_a_gpu(version: str, remedy: str) -> None:
    facts = without_gpu(torch=CPU_BUILD, nvidia=replace(DRIVEN, driver=version))
    check = check_torch(facts)
    assert (check.state, check.found) == ("bad", "2.15.0+cpu, a CPU-only build")
    assert check.needed == "a build for CUDA, as there is an NVIDIA GPU"
    assert re.fullmatch(remedy, check.remedy)
    assert check_gpu(facts).found == "PyTorch is a CPU-only build"


def test_a_driver_too_old_names_both_versions_and_both_ways_out() -> None:
    facts = without_gpu(torch=CUDA_13, nvidia=replace(DRIVEN, driver="535.54.03", cuda="12.2"))
    check = driver(facts)
    assert check.found == (
        "535.54.03, which supports CUDA 12.2 and older; PyTorch 2.15.0 was built for CUDA 13.0"
    )  # fmt: skip
    assert check.needed == "driver 580 or newer, for any CUDA 13.x"
    assert "install a newer NVIDIA driver" in check.remedy
    assert "or PyTorch's build for CUDA 12.x (https://pytorch.org" in check.remedy
    assert check_gpu(facts).found == "PyTorch cannot use it with this driver"


@pytest.mark.parametrize(
    ("build", "version", "state"),
    [
        ("12.8", "525.60.13", "good"),  # minor version compatibility: any 12.x
        ("12.0", "525.60.11", "bad"),
        ("13.2", "580.65.06", "good"),
        ("13.0", "579.99", "bad"),
        ("11.8", "450.80.02", "good"),
        ("14.0", "", "bad"),  # newer than the table
        ("14.1", "610.10", "bad"),  # by the CUDA that the driver reports as supported: 13.0
    ],
)
def test_the_oldest_driver_of_each_cuda(build: str, version: str, state: str) -> None:
    facts = without_gpu(torch=Torch("2.15.0", build), nvidia=replace(DRIVEN, driver=version, cuda="13.0"))
    assert driver(facts).state == state


def test_a_gpu_that_pytorch_sees_proves_its_driver() -> None:
    """cuda-compat packages make an older driver work."""
    assert driver(machine(nvidia={"driver": "535.54.03", "cuda": "12.2"})).state == "good"


def test_a_driver_that_was_updated_under_its_feet() -> None:
    said = "Failed to initialize NVML: Driver/library version mismatch"
    check = driver(without_gpu(nvidia=replace(DRIVEN, names=(), complaint=said)))
    assert check.state == "bad"
    assert said in check.found
    assert check.needed.startswith("driver 580 or newer")
    assert check.remedy == "reboot: the driver was updated while the old one was in use"


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("docker", "docker run --gpus all"),
        ("podman", "podman run --device nvidia.com/gpu=all"),
        ("apptainer", "apptainer exec --nv"),
        ("other", "docker run --gpus all"),
    ],
)
def test_a_container_that_was_not_given_the_gpu(kind: str, option: str) -> None:
    hidden = Nvidia(on_bus=1, driver="580.65.06")  # /proc and /sys are the host's
    check = check_gpu(without_gpu(container=kind, nvidia=hidden))
    assert check.found == "the machine has an NVIDIA GPU, but this container has no access to it"
    assert check.needed == "one that PyTorch sees, for quick and full"
    assert option in check.remedy
    assert ("nvidia-container-toolkit" in check.remedy) == (kind != "apptainer")
    bound = replace(hidden, device_files=True)  # as apptainer's /dev is, without the driver's library
    assert check_gpu(without_gpu(container=kind, nvidia=bound)).remedy == check.remedy


def test_a_container_in_which_no_gpu_can_be_seen() -> None:
    check = check_gpu(without_gpu(container="docker", nvidia=Nvidia()))
    assert check.found == "no NVIDIA GPU in this container"
    assert check.remedy.startswith("if the host has one, start it with docker run --gpus all")
    assert "nvidia-container-toolkit" in check.remedy
    assert "Without a GPU: pse-repro smoke" in check.remedy


@pytest.mark.parametrize(("kind", "answer"), [("docker", "could not select device driver"),
                                              ("podman", "unresolvable CDI devices")])  # fmt: skip
def test_an_engine_without_the_container_toolkit_is_known_by_its_answer(kind: str, answer: str) -> None:
    assert (
        f'error "{answer}": the host lacks nvidia-container-toolkit'
        in check_gpu(without_gpu(container=kind, nvidia=Nvidia())).remedy
    )


@pytest.mark.parametrize("visible", ["", "none", "void"])
def test_a_container_told_to_see_no_gpu(visible: str) -> None:
    environment = {"NVIDIA_VISIBLE_DEVICES": visible}
    check = check_gpu(without_gpu(container="docker", nvidia=Nvidia(), environment=environment))
    assert check.found == f"NVIDIA_VISIBLE_DEVICES={visible!r} keeps every GPU from this container"
    assert check.remedy == "unset it, or set it to all"
    outside = check_gpu(without_gpu(nvidia=Nvidia(), environment=environment))
    assert outside.found == "no NVIDIA GPU in this machine"  # it has a meaning only in containers
    by_cdi = check_gpu(without_gpu(container="docker", environment=environment))
    assert "NVIDIA_VISIBLE_DEVICES" not in by_cdi.found


def test_a_container_that_was_given_the_device_without_cuda() -> None:
    environment = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "utility"}
    partly = without_gpu(container="docker", nvidia=replace(DRIVEN, cuda=""), environment=environment)
    assert check_gpu(partly).found == "NVIDIA_DRIVER_CAPABILITIES='utility' leaves out the driver's CUDA library"
    assert check_gpu(partly).remedy == "start it with -e NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    enough = replace(partly, environment={"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"})
    assert "--gpus all" in check_gpu(enough).remedy


def test_a_container_that_lost_its_gpu_while_it_ran() -> None:
    said = "Failed to initialize NVML: Unknown Error"
    check = check_gpu(without_gpu(container="docker", nvidia=replace(DRIVEN, names=(), complaint=said)))
    assert check.found.startswith(f"this container has lost the GPU ({said})")
    assert check.remedy == "start a new container; the run resumes"


def test_a_driver_on_a_container_s_host_that_is_too_old() -> None:
    facts = without_gpu(container="docker", torch=CUDA_13, nvidia=replace(DRIVEN, driver="535.54.03", cuda="12.2"))
    assert driver(facts).found == (
        "535.54.03, which supports CUDA 12.2 and older; PyTorch 2.15.0 was built for CUDA 13.0"
    )  # fmt: skip
    assert driver(facts).remedy.startswith("on the host, install a newer NVIDIA driver")


@pytest.mark.parametrize(("visible", "hides"), [("", True), ("-1", True), ("1", True), ("none", True), ("0", False),
                                                ("GPU-5ebe9f43", False), ("0,7", False), ("7,0", True)])  # fmt: skip
def test_cuda_visible_devices_that_hides_every_gpu(visible: str, hides: bool) -> None:
    check = check_gpu(without_gpu(environment={"CUDA_VISIBLE_DEVICES": visible}))
    assert (check.found == f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU") == hides
    assert (check.remedy == "unset CUDA_VISIBLE_DEVICES, or set it to 0") == hides
    assert check.state == "bad"


def test_what_nobody_expected_is_told_in_pytorchs_words() -> None:
    facts = without_gpu(torch={"gpus": (), "complaint": "CUDA unknown error"})
    assert check_gpu(facts).found == "PyTorch sees none: CUDA unknown error"
    assert "nvidia-smi lists" in check_gpu(facts).remedy
    silent = without_gpu(nvidia=replace(DRIVEN, complaint="nvidia-smi gave no answer in 10 s"))
    assert check_gpu(silent).found.endswith("nvidia-smi gave no answer in 10 s")


@pytest.mark.parametrize(
    ("capability", "architectures", "good"),
    [
        ((8, 9), ("sm_86",), True),  # same major version, later minor one
        ((8, 0), ("sm_86",), False),
        ((6, 1), ("sm_75", "sm_80"), False),
        ((12, 0), ("sm_75", "compute_90"), True),  # PTX is compiled for what came later
        ((9, 0), ("sm_90a",), True),
        ((10, 3), ("sm_100a",), False),
        ((8, 0), ("sm_75",), False),
        ((7, 0), (), True),  # nothing known
    ],
)
def test_kernels_for_the_gpu(capability: tuple[int, int], architectures: tuple[str, ...], good: bool) -> None:
    gpu = replace(H200, capability=capability)
    check = check_gpu(machine(torch={"gpus": (gpu,), "architectures": architectures}))
    assert (check.state == "good") == good


def test_a_gpu_that_the_build_has_no_kernels_for_stops_every_study() -> None:
    old = replace(H200, name="GTX 1080", capability=(6, 1))
    check = check_gpu(machine(torch={"gpus": (old,)}))
    assert check.blocks == ("smoke", "quick", "full")
    assert check.found == "GTX 1080, compute capability 6.1"
    assert check.needed.endswith("has kernels for: sm_75, sm_80, sm_86, sm_90, sm_100, sm_120")
    assert "one for an older CUDA (https://pytorch.org" in check.remedy
    assert "--device cpu" in check.remedy
    new = replace(H200, capability=(13, 0))
    assert "another build of PyTorch, a newer one" in check_gpu(machine(torch={"gpus": (new,)})).remedy


def test_several_gpus_of_which_one_is_used() -> None:
    assert check_gpu(machine(torch={"gpus": (H200, H200, H200)})).found.endswith("9.0; 2 more, not used")


def memory(free: float) -> Check:
    check = check_gpu_memory(machine(torch={"gpus": (replace(H200, total=24 * GB, free=int(free)),)}))
    assert check is not None
    return check


def test_where_the_images_are_follows_the_rule_of_the_batches() -> None:
    edge = UNLABELED_BYTES + MODEL_BYTES  # 7.8 GB
    roomy, tight = memory(23 * GB), memory(edge - 1)
    assert (roomy.state, roomy.remedy) == ("good", "")
    assert roomy.found == "24.0 GB, 23.0 GB free: the images are kept on the GPU"
    assert roomy.needed.startswith(
        "7.8 GB free to keep all 2.8 GB of images there; training needs cnn 1.5 GB, resnet 3.6 GB"
    )
    assert tight.state == "warning"
    assert tight.found.endswith("the images are copied from main memory batch by batch")
    assert tight.remedy.startswith("optional: free more memory")


def test_training_that_does_not_fit() -> None:
    small = memory(3 * GB)
    assert (small.state, small.blocks) == ("bad", ("full",))
    assert small.found.endswith("batch by batch; not enough to train resnet")
    assert "nvidia-smi lists them" in small.remedy
    assert "--precision bf16" in small.remedy
    assert memory(1 * GB).blocks == ("quick", "full")
