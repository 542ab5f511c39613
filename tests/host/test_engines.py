"""What engines say and keep about containers; each shape as the engine of that name writes it."""

from __future__ import annotations

import errno

from engine_replies import BUNDLE, CONFIG_V2, DOCKER_REPLY, ID, JSON, OTHER, OTHER_SHORT, PODMAN_REPLY, SHORT
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import SretoolError, from_errno
from sretool.host import engines
from sretool.host.attribution import Attribution
from sretool.host.engines import Container, containers, name_of, named
from sretool.host.fake import Fake

DOCKER = f"engine docker {engines.DOCKER_SOCKET}"
PODMAN = f"engine podman {engines.PODMAN_SOCKET}"
STORAGE = f"engine-files podman {engines.STORAGE}"


def known(**facts: object) -> tuple[dict[str, Container], list[SretoolError]]:
    errors: list[SretoolError] = []
    return containers(Fake(facts=facts), errors), errors


def test_docker_by_its_socket():
    found, errors = known(**{DOCKER: DOCKER_REPLY})
    one = found[SHORT]
    assert (one.name, one.engine, one.image, one.project) == ("shop-web-1", "docker", "nginx:1.27", "shop")
    assert one.source == engines.DOCKER_SOCKET
    assert errors == []


def test_podman_by_its_socket():
    one = known(**{PODMAN: PODMAN_REPLY})[0][OTHER_SHORT]
    assert (one.name, one.pod, one.project, one.restarts) == ("db", "data", "shop", 3)
    assert one.started_at == "2025-11-25T03:12:00Z"
    assert one.labels["PODMAN_SYSTEMD_UNIT"] == "db.service"
    assert one.called == "db"


def test_what_the_socket_does_not_say_the_files_add():
    one = known(**{DOCKER: DOCKER_REPLY, "engine-files docker": [CONFIG_V2]})[0][SHORT]
    assert (one.name, one.restarts, one.started_at) == ("shop-web-1", 2, "2025-11-25T03:12:00Z")


def test_an_engine_that_does_not_run_is_known_by_its_files():
    found, errors = known(**{DOCKER: None, "engine-files docker": [CONFIG_V2]})
    assert found[SHORT].name == "web"
    assert errors == []


def test_kubernetes_by_the_names_of_its_logs_and_by_bundles():
    log = f"/var/log/containers/api-7d9-x2_prod_api-{ID}.log"
    bundles = [{"id": ID, **BUNDLE}, {"id": OTHER, "annotations": {
        "io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-name": "api-7d9-x2",
        "io.kubernetes.cri.sandbox-namespace": "prod"}}]  # fmt: skip
    errors: list[SretoolError] = []
    found = containers(Fake({log: ""}, facts={"engine-files containerd": bundles}), errors)
    assert found[SHORT].called == "prod/api-7d9-x2/api"
    assert (found[SHORT].source, found[SHORT].image) == (log, "registry/api:3")
    assert found[OTHER_SHORT].called == "prod/api-7d9-x2/pause"
    assert containers(Fake({log: ""}), errors, {SHORT})[SHORT].called == "prod/api-7d9-x2/api"
    assert errors == []


def test_names_that_dockershim_and_crio_make():
    docker = {"Id": ID, "Names": ["/k8s_api_api-7d9-x2_prod_5f3c1c0e_4"]}
    one = known(**{DOCKER: [docker]})[0][SHORT]
    assert (one.called, one.restarts, one.engine) == ("prod/api-7d9-x2/api", 4, "docker")
    crio = [
        {
            "id": ID,
            "names": ["k8s_api_api-7d9-x2_prod_5f3c1c0e_4"],
            "metadata": {"image-name": "registry/api:3"},
        },
        {"id": OTHER, "names": ["k8s_api-7d9-x2_prod_5f3c1c0e_0"], "metadata": {}},
    ]
    found = known(**{STORAGE: crio})[0]
    assert (found[SHORT].called, found[SHORT].engine) == ("prod/api-7d9-x2/api", "cri-o")
    assert found[SHORT].image == "registry/api:3"
    assert found[OTHER_SHORT].called == "prod/api-7d9-x2/pause"


def test_a_users_own_engine():
    files = {
        "/etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
        "/run/user/1000/bus": "",
        "/run/user/0/bus": "",
    }
    facts = {"engine podman /run/user/1000/podman/podman.sock": PODMAN_REPLY}
    assert containers(Fake(files, facts=facts), [])[OTHER_SHORT].name == "db"
    facts = {
        "engine-files podman /home/ann/.local/share/containers/storage": [{"id": OTHER, "names": ["db"]}]
    }
    assert containers(Fake(files, facts=facts), [])[OTHER_SHORT].name == "db"


def test_another_place_for_storage():
    files = {"/etc/containers/storage.conf": '[storage]\n# graphroot = "/no"\ngraphroot = "/srv/pods"\n'}
    facts = {"engine-files podman /srv/pods": [{"id": OTHER, "names": ["db"]}]}
    assert containers(Fake(files, facts=facts), [])[OTHER_SHORT].name == "db"


class Closed(Fake):
    """A host whose engines answer nobody."""

    number = errno.EACCES

    def fact(self, name: str, *args: str) -> bytes:
        if name.startswith("engine"):
            raise from_errno(self.number, args[-1])
        return super().fact(name, *args)


class Lost(Closed):
    number = errno.ENODATA


class Hung(Closed):
    number = errno.ETIMEDOUT


def test_one_error_when_names_are_hidden_and_none_when_none_is_missed():
    errors: list[SretoolError] = []
    assert containers(Closed(), errors, {SHORT}) == {}
    assert [(error.code, str(error)) for error in errors] == [
        (
            "permission-denied",
            "container names: 1 container is known by id only (run with sudo to see their names)",
        )
    ]
    errors.clear()
    log = {f"/var/log/containers/api-7d9-x2_prod_api-{ID}.log": ""}
    assert containers(Closed(log), errors, {SHORT})[SHORT].name == "api"
    assert containers(Closed(), errors, set()) == {}
    assert errors == []


def test_what_a_recording_lacks_is_not_recorded():
    errors: list[SretoolError] = []
    containers(Lost(), errors, {SHORT})
    assert [error.code for error in errors] == ["not-recorded"]


def test_an_engine_that_hangs_costs_its_own_part():
    errors: list[SretoolError] = []
    log = {f"/var/log/containers/api-7d9-x2_prod_api-{ID}.log": ""}
    assert containers(Hung(log), errors, {SHORT})[SHORT].name == "api"
    assert {error.code for error in errors} == {"stalled"}
    assert len(errors) == 2, "docker's socket and podman's"


def test_what_a_person_calls_it():
    whose = Attribution(container=SHORT)
    assert name_of(Attribution("ssh.service"), {}) == ""
    assert name_of(Attribution(container="web", engine="lxc"), {}) == "web"
    assert name_of(whose, {}) is None
    assert name_of(whose, {SHORT: Container(ID, "web")}) == "web"
    assert name_of(whose, {SHORT: Container(ID, "web", pod="p", namespace="prod")}) == "prod/p/web"
    assert name_of(whose, {SHORT: Container(ID)}) is None


class Counting(Fake):
    """Counts how often an engine is asked."""

    asked = 0

    def fact(self, name: str, *args: str) -> bytes:
        self.asked += name == "engine"
        return super().fact(name, *args)


def test_an_engine_is_asked_only_when_there_is_a_new_container():
    source = Counting(facts={DOCKER: DOCKER_REPLY})
    nobody = [Attribution("ssh.service"), Attribution(container="web", engine="lxc")]
    assert named(source, [], nobody) == {}
    assert source.asked == 0
    for _ in range(2):
        assert named(source, [], [*nobody, Attribution(container=SHORT)])[SHORT].name == "shop-web-1"
        assert source.asked == 1
    both = [Attribution(container=SHORT), Attribution(container=OTHER_SHORT)]
    for _ in range(2):
        assert SHORT in named(source, [], both)
        assert source.asked == 3, "docker and podman, for the one that is new"
    assert named(source, [], nobody) == {}


def test_what_is_hidden_is_said_at_each_reading():
    source = Closed()
    for _ in range(2):
        errors: list[SretoolError] = []
        assert named(source, errors, [Attribution(container=SHORT)]) == {}
        assert [error.code for error in errors] == ["permission-denied"]


KEYS = st.sampled_from(
    ["Id", "ID", "id", "Names", "names", "Name", "Labels", "labels", "Config", "config", "State", "state",
     "metadata", "annotations", "StartedAt", "startedTime", "Restarts", "io.kubernetes.pod.name"]
)  # fmt: skip


@given(st.lists(st.dictionaries(KEYS, JSON | st.just(ID) | st.just(["k8s_" * 3, 1])), max_size=4) | JSON)
def test_any_json_is_understood_or_passed_over(reply):
    facts = {
        DOCKER: reply,
        PODMAN: reply,
        STORAGE: reply,
        "engine-files docker": reply,
        "engine-files containerd": reply,
    }
    for one in known(**facts)[0].values():
        assert isinstance(one.name, str)
        assert one.called
