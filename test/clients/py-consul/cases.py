"""py-consul, the client that Patroni and Python services use, against a running agent.

    cases.py <port of the HTTP API>

Prints one line a case, "ok <name>" or "not ok <name>: <why>", and ends with 1 if any failed. Cases have names of their
own for everything they create. Blocking reads are waited for with a bound.
"""

import base64
import sys
import threading
import time
import traceback

import consul
from consul.exceptions import BadRequest, ConsulException

WAIT_MAX = 20.0
CASES = []


def case(function):
    CASES.append(function)
    return function


def client():
    return consul.Consul(host="127.0.0.1", port=int(sys.argv[1]))


def equal(got, want, what=""):
    assert got == want, f"{what}: got {got!r}, want {want!r}"


def fails(kind, text, call, *args, **options):
    try:
        result = call(*args, **options)
    except kind as error:
        assert text in str(error), f"expected {text!r} in {error}"
        return
    raise AssertionError(f"expected an error with {text!r}, got {result!r}")


def until(what, holds):
    end = time.monotonic() + WAIT_MAX
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


class Waiting:
    """A read that blocks, in a thread of its own."""

    def __init__(self, read, **options):
        self.result = None
        self.thread = threading.Thread(target=self.run, args=(read, options), daemon=True)
        self.thread.start()

    def run(self, read, options):
        try:
            self.result = read(**options)
        except Exception as error:  # told to whoever waits
            self.result = error

    def done(self):
        self.thread.join(WAIT_MAX)
        assert not self.thread.is_alive(), "the blocked read did not wake"
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@case
def kv_values(c):
    index, missing = c.kv.get("py/none")
    assert int(index) > 0 and missing is None
    equal(c.kv.put("py/a", "text"), True)
    equal(c.kv.put("py/bytes", bytes(range(256)), flags=2**64 - 1), True)
    equal(c.kv.put("py/dir/", None), True)
    _, entry = c.kv.get("py/bytes", consistency="consistent")
    equal(entry["Value"], bytes(range(256)))
    equal(entry["Flags"], 2**64 - 1)
    equal(c.kv.get("py/dir/")[1]["Value"], None)
    equal([e["Key"] for e in c.kv.get("py/", recurse=True)[1]], ["py/a", "py/bytes", "py/dir/"])
    equal(c.kv.get("py/", keys=True)[1], ["py/a", "py/bytes", "py/dir/"])
    equal(c.kv.get("p", keys=True, separator="/")[1], ["py/"])
    equal(c.kv.get("absent/", recurse=True)[1], None)
    equal(c.kv.delete("py/a"), True)
    equal(c.kv.delete("py/", recurse=True), True)
    equal(c.kv.get("py/", recurse=True)[1], None)


@case
def kv_check_and_set(c):
    equal(c.kv.put("pycas", "1", cas=0), True)
    equal(c.kv.put("pycas", "2", cas=0), False)
    _, entry = c.kv.get("pycas")
    equal(c.kv.put("pycas", "2", cas=entry["ModifyIndex"]), True)
    equal(c.kv.put("pycas", "3", cas=entry["ModifyIndex"]), False)
    equal(c.kv.delete("pycas", cas=entry["ModifyIndex"]), False)
    _, entry = c.kv.get("pycas")
    equal(entry["Value"], b"2")
    equal(c.kv.delete("pycas", cas=entry["ModifyIndex"]), True)


@case
def kv_blocks(c):
    index, _ = c.kv.get("pyblock/", recurse=True)
    waiting = Waiting(client().kv.get, key="pyblock/", recurse=True, index=index, wait="15s")
    c.kv.put("pyblock/x", "1")
    woken, entries = waiting.done()
    assert int(woken) > int(index)
    equal([e["Value"] for e in entries], [b"1"])
    started = time.monotonic()
    same, entries = c.kv.get("pyblock/", recurse=True, index=woken, wait="300ms")
    equal((same, len(entries)), (woken, 1), "an answer at the end of the wait")
    assert time.monotonic() - started >= 0.25
    waiting = Waiting(client().kv.get, key="pyblock/", recurse=True, index=woken, wait="15s")
    c.kv.delete("pyblock/", recurse=True)
    gone, entries = waiting.done()
    assert entries is None and int(gone) > int(woken)


@case
def session_life(c):
    node = c.agent.self()["Config"]["NodeName"]
    session = c.session.create(name="py", ttl=10, lock_delay=0, behavior="delete")
    index, found = c.session.info(session)
    equal((found["Name"], found["TTL"], found["Behavior"], found["LockDelay"], found["Node"]), ("py", "10s", "delete", 0, node))
    assert session in [s["ID"] for s in c.session.list()[1]]
    assert session in [s["ID"] for s in c.session.node(node)[1]]
    equal(c.session.renew(session)["ID"], session)
    waiting = Waiting(client().session.list, index=c.session.list()[0], wait="15s")
    equal(c.session.destroy(session), True)
    assert session not in [s["ID"] for s in waiting.done()[1]]
    fails(consul.NotFound, "", c.session.renew, session)
    equal(c.session.info(session)[1], None)
    fails(ConsulException, "", c.session.create, behavior="release", checks=["absent"])


@case
def lock_and_release(c):
    one = c.session.create(name="one", lock_delay=0)
    two = c.session.create(name="two", lock_delay=0, behavior="delete")
    equal(c.kv.put("pylock", "one", acquire=one), True)
    equal(c.kv.put("pylock", "two", acquire=two), False)
    equal(c.kv.put("pylock", "two", release=two), False)
    index, entry = c.kv.get("pylock")
    equal((entry["Session"], entry["LockIndex"], entry["Value"]), (one, 1, b"one"))
    waiting = Waiting(client().kv.get, key="pylock", index=index, wait="15s")
    equal(c.kv.put("pylock", "free", release=one), True)
    assert "Session" not in waiting.done()[1]
    equal(c.kv.put("pylock", "two", acquire=two), True)
    c.session.destroy(two)
    equal(c.kv.get("pylock")[1], None, "deleted with its session")
    fails(ConsulException, "invalid session", c.kv.put, "pylock", "x", acquire=two)
    c.session.destroy(one)


@case
def transactions(c):
    def operation(verb, key, **more):
        if "Value" in more:
            more["Value"] = base64.b64encode(more["Value"]).decode()
        return {"KV": {"Verb": verb, "Key": key, **more}}

    done = c.txn.put([operation("set", "pytxn/a", Value=b"1"), operation("get", "pytxn/a")])
    equal(done["Errors"], None)
    equal(base64.b64decode(done["Results"][1]["KV"]["Value"]), b"1")
    fails(consul.exceptions.ClientError, "409", c.txn.put, [operation("set", "pytxn/b", Value=b"1"), operation("check-index", "pytxn/a", Index=1)])
    equal(c.kv.get("pytxn/b")[1], None, "nothing of a refused transaction")
    c.txn.put([operation("delete-tree", "pytxn/")])
    equal(c.kv.get("pytxn/", keys=True)[1], None)


@case
def services_of_the_agent(c):
    register = c.agent.service.register
    equal(register("pyweb", service_id="pyweb-1", address="192.0.2.7", port=8080, tags=["v1", "blue"], meta={"k": "v"},
                   weights={"Passing": 3, "Warning": 1}, tagged_addresses={"lan": {"Address": "192.0.2.8", "Port": 81}},
                   enable_tag_override=True, check=consul.Check.ttl("30s")), True)
    found = c.agent.services(filter_expr='Service == "pyweb"')["pyweb-1"]
    equal((found["Port"], found["Tags"], found["Meta"], found["Weights"]), (8080, ["v1", "blue"], {"k": "v"}, {"Passing": 3, "Warning": 1}))
    equal(found["TaggedAddresses"]["lan"], {"Address": "192.0.2.8", "Port": 81})
    equal(c.agent.service_definition("pyweb-1")["ID"], "pyweb-1")
    index, nodes = c.health.service("pyweb", passing=True)
    equal(nodes, [])
    waiting = Waiting(client().health.service, service="pyweb", passing=True, index=index, wait="15s")
    equal(c.agent.check.ttl_pass("service:pyweb-1", notes="fine"), True)
    [entry] = waiting.done()[1]
    equal((entry["Service"]["ID"], entry["Checks"][1]["Output"]), ("pyweb-1", "fine"))
    c.agent.check.ttl_warn("service:pyweb-1")
    equal([check["Status"] for check in c.health.checks("pyweb")[1]], ["warning"])
    c.agent.check.ttl_fail("service:pyweb-1", notes="broken")
    assert "service:pyweb-1" in [check["CheckID"] for check in c.health.state("critical")[1]]
    c.agent.service.maintenance("pyweb-1", True, reason="because")
    assert "_service_maintenance:pyweb-1" in c.agent.checks()
    c.agent.service.maintenance("pyweb-1", False)
    equal([len(c.health.service("pyweb", tag=tag)[1]) for tag in ("v1", ["v1", "blue"], ["v1", "green"])], [1, 1, 0])
    equal(register("pyweb", service_id="pyweb-1", check=consul.Check.ttl("30s"), replace_existing_checks=True), True)
    equal(c.agent.service.deregister("pyweb-1"), True)
    equal(c.catalog.service("pyweb")[1], [])


@case
def deprecated_check_arguments(c):
    c.agent.service.register("pyold", ttl=30)
    assert "service:pyold" in c.agent.checks()
    url = f"http://127.0.0.1:{sys.argv[1]}/v1/status/leader"
    c.agent.service.register("pyold", http=url, interval="1s", timeout="1s")
    until("the HTTP check passes", lambda: len(c.health.service("pyold", passing=True)[1]) == 1)
    c.agent.service.deregister("pyold")


@case
def checks_of_every_kind(c):
    port = int(sys.argv[1])
    Check = consul.Check
    probes = [
        Check.http(f"http://127.0.0.1:{port}/v1/agent/self", "1s", timeout="1s", deregister="10m", header={"x-foo": ["bar", "baz"]}),
        Check.tcp("127.0.0.1", port, "1s", timeout="1s", deregister="10m"),
    ]
    c.agent.service.register("pyprobed", check=probes[0], extra_checks=probes[1:])
    until("both pass", lambda: len(c.health.service("pyprobed", passing=True)[1]) == 1)
    c.agent.service.deregister("pyprobed")
    fails(ConsulException, "Scripts are disabled", c.agent.check.register, "x", check=Check.script(["true"], "10s"))
    equal(c.agent.check.register("pynode", check=Check.ttl("1m"), check_id="pynode-id", notes="noted"), True)
    equal(c.agent.checks()["pynode-id"]["Notes"], "noted")
    c.agent.check.register("pygrpc", check=Check.grpc(f"127.0.0.1:{port}/x", "1h", use_tls=False, timeout="1s"), check_id="pygrpc")
    equal(c.agent.checks(filter_expr='CheckID == "pygrpc"')["pygrpc"]["Type"], "grpc")
    for name in ("pynode-id", "pygrpc"):
        equal(c.agent.check.deregister(name), True)


@case
def the_agent(c):
    node = c.agent.self()["Config"]["NodeName"]
    equal([m["Name"] for m in c.agent.members()], [node])
    assert ":" in c.status.leader() and c.status.leader() in c.status.peers()
    equal(c.agent.reload(), True)
    assert "Gauges" in c.agent.metrics()
    equal(c.agent.maintenance(True, "because"), True)
    assert "_node_maintenance" in c.agent.checks()
    equal(c.agent.maintenance(False), True)


@case
def the_catalog(c):
    catalog = c.catalog
    equal(catalog.datacenters(), ["dc1"])
    index, _ = catalog.nodes()
    waiting = Waiting(client().catalog.nodes, index=index, wait="15s")
    check = {"Node": "pynode", "CheckID": "c1", "Name": "C", "Status": "passing", "ServiceID": "pydb-1"}
    equal(catalog.register("pynode", "192.0.2.9", service={"Service": "pydb", "ID": "pydb-1", "Tags": ["main"], "Port": 5432}, check=check,
                           tagged_addresses={"wan": "198.51.100.9"}), True)
    assert "pynode" in [n["Node"] for n in waiting.done()[1]]
    equal(catalog.services()[1]["pydb"], ["main"])
    [entry] = catalog.service("pydb", tag="main")[1]
    equal((entry["Address"], entry["ServicePort"], entry["ServiceTags"]), ("192.0.2.9", 5432, ["main"]))
    equal(catalog.node("pynode")[1]["Services"]["pydb-1"]["Port"], 5432)
    equal(catalog.node("absent")[1], None)
    equal(catalog.nodes(filter_expr='Node == "pynode"')[1][0]["TaggedAddresses"]["wan"], "198.51.100.9")
    equal([n["CheckID"] for n in c.health.node("pynode")[1]], ["c1"])
    equal(len(c.health.service("pydb", near="_agent", filter_expr='Node.Node == "pynode"')[1]), 1)
    equal(catalog.deregister("pynode", check_id="c1"), True)
    equal(catalog.deregister("pynode", service_id="pydb-1"), True)
    equal(catalog.register("pynode", "192.0.2.10", skip_node_update=True), True)
    equal(catalog.node("pynode")[1]["Node"]["Address"], "192.0.2.9", "the node was to stay")
    equal(catalog.deregister("pynode"), True)


@case
def events(c):
    index, _ = c.event.list("pyevent")
    fired = c.event.fire("pyevent", "payload", node=".*")
    until("the event is there", lambda: [e["Payload"] for e in c.event.list("pyevent")[1]] == [b"payload"])
    equal(c.event.list("pyevent")[1][0]["ID"], fired["ID"])


@case
def prepared_queries(c):
    c.agent.service.register("pyquery", port=80, tags=["x"])
    made = c.query.create("pyquery", name="pynamed", onlypassing=True, tags=["x"], ttl="10s")["ID"]
    assert made in [q["ID"] for q in c.query.list()]
    [found] = c.query.get(made)
    equal((found["Name"], found["Service"]["Service"], found["DNS"]["TTL"]), ("pynamed", "pyquery", "10s"))
    equal([n["Service"]["Service"] for n in c.query.execute("pynamed", limit=1)["Nodes"]], ["pyquery"])
    equal(c.query.update(made, "pyquery", name="pyrenamed", tags=["absent"]), True)
    equal(c.query.execute("pyrenamed")["Nodes"], [])
    equal(c.query.delete(made), True)
    made = c.query.create("${name.suffix}", name="pytemplate-", regexp="")["ID"]
    equal(c.query.explain("pytemplate-abc")["Query"]["Service"]["Service"], "abc")
    c.query.delete(made)
    c.agent.service.deregister("pyquery")


@case
def config_entries(c):
    equal(c.config.set("service-defaults", "pyconf", {"Protocol": "http"}), True)
    entry = c.config.get("service-defaults", "pyconf")
    equal(entry["Protocol"], "http")
    equal(c.config.set("service-defaults", "pyconf", {"Protocol": "grpc"}, cas=1), False)
    assert "pyconf" in [e["Name"] for e in c.config.list("service-defaults")]
    equal(c.discovery_chain.get("pyconf")["Chain"]["Protocol"], "http")
    equal(c.discovery_chain.get("pyconf", override_protocol="tcp")["Chain"]["Protocol"], "tcp")
    equal(c.config.delete("service-defaults", "pyconf"), True)


@case
def intentions(c):
    intentions = c.connect.intentions
    equal(intentions.upsert("pya", "pyb", action="deny", description="d"), True)
    equal(intentions.read("pya", "pyb")["Action"], "deny")
    equal(intentions.check("pya", "pyb"), False)
    assert ("pya", "pyb") in [(i["SourceName"], i["DestinationName"]) for i in intentions.list()]
    equal(len(intentions.match("destination", "pyb")["pyb"]), 1)
    equal(intentions.delete("pya", "pyb"), True)
    equal(len(c.connect.ca.roots()["Roots"]), 1)
    equal(c.agent.connect.ca.leaf("pyweb")["Service"], "pyweb")
    equal(c.connect.ca.configuration()["Provider"], "consul")


@case
def the_operator(c):
    equal(len(c.operator.raft_config()["Servers"]), 1)
    configuration = c.operator.autopilot_configuration()
    equal(c.operator.update_autopilot_configuration(cleanup_dead_servers=True, last_contact_threshold="300ms"), True)
    equal(c.operator.autopilot_configuration()["LastContactThreshold"], "300ms")
    equal(c.operator.update_autopilot_configuration(cleanup_dead_servers=True, cas=configuration["ModifyIndex"] - 1), False)
    equal(c.operator.autopilot_health()["Healthy"], True)
    assert c.operator.usage()["Usage"]["dc1"]["Nodes"] >= 1
    equal([d["Datacenter"] for d in c.coordinate.datacenters()], ["dc1"])
    assert c.coordinate.nodes()[1] is not None


@case
def errors(c):
    fails(ConsulException, "No path to datacenter", c.kv.get, "x", dc="nowhere")
    equal(c.agent.service.maintenance("absent", True), False, "404 of an unknown service")
    fails(BadRequest, "Missing service name", c.agent.service.register, "")
    fails(BadRequest, "unknown field", c.catalog.register, "n", "1.1.1.1", service={"Odd": 1})


@case
def zz_snapshot(c):
    c.kv.put("pysnap", "before")
    image = c.snapshot.save()
    c.kv.put("pysnap", "after")
    equal(c.snapshot.restore(image), True)
    equal(c.kv.get("pysnap")[1]["Value"], b"before")


def run(function):
    try:
        function(client())
    except Exception:
        print(f"not ok {function.__name__}: {traceback.format_exc(limit=-2)!r}", flush=True)
        return False
    print(f"ok {function.__name__}", flush=True)
    return True


if __name__ == "__main__":
    results = [run(function) for function in sorted(CASES, key=lambda function: function.__name__)]
    sys.exit(0 if all(results) else 1)
