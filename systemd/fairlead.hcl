# Configuration of the Fairlead agent. Every file of this folder that ends in .hcl or .json is read, in the
# order of their names; put each service into a file of its own. After a change:
#
#   fairlead validate /etc/fairlead   is it right?
#   systemctl reload fairlead         services, checks and log_level
#   systemctl restart fairlead        everything else
#
# All keys: docs/reference/configuration.md

# The unit may write here and nowhere else.
data_dir = "/var/lib/fairlead"

# A server of its own, with the agent in the same process. For three servers set bootstrap_expect = 3 and retry_join
# on each of them (docs/how-to/run-three-servers.md). An agent that uses servers elsewhere has neither of the two
# lines, but retry_join; it leaves the cluster when it is stopped, unless leave_on_terminate = false.
server           = true
bootstrap_expect = 1

# retry_join = ["10.0.0.5", "10.0.0.6", "10.0.0.7"]

# The name of this node; the host name by default.
# node_name = "vm-a"

# datacenter = "dc1"

# The address that other hosts use to reach this one. Needed when the host has several private addresses.
# advertise_addr = "{{ GetInterfaceIP \"eth0\" }}"

# Who may use the HTTP API and DNS: programs of this host only. Access control is off until it is configured; a server
# does not start on a public address without it. fairlead init and fairlead join set up a secure cluster and write files
# of their own beside this one.
# client_addr = "127.0.0.1"

# ports {
#   http = 8500
#   dns  = 8600
# }

# What a call gets that no intention matches: allow or deny.
# default_intention_policy = "allow"

# The mesh proxy goes on serving while the agent restarts.
proxy {
  keep_on_agent_stop = true
}

# log_level = "info"

# service {
#   name = "web"
#   port = 8080
#   check {
#     http     = "http://127.0.0.1:8080/health"
#     interval = "10s"
#     timeout  = "1s"
#   }
#   connect { sidecar_service {} }
# }
