package main

import (
	"strings"

	"github.com/hashicorp/consul/api"
)

// as is a client that asks with another token.
func (t *T) as(secret string) *api.Client {
	config := api.DefaultConfig()
	config.Address = t.address
	config.Token = secret
	client, err := api.NewClient(config)
	t.must(err, "client")
	return client
}

// policy makes one for the duration of the case.
func (t *T) policy(name, rules string) *api.ACLPolicy {
	policy, _, err := t.client.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Description: "of a case", Rules: rules}, nil)
	t.must(err, "policy "+name)
	t.defers(func() { _, _ = t.client.ACL().PolicyDelete(policy.ID, nil) })
	return policy
}

func (t *T) token(token *api.ACLToken) *api.ACLToken {
	made, _, err := t.client.ACL().TokenCreate(token, nil)
	t.must(err, "token")
	t.defers(func() { _, _ = t.client.ACL().TokenDelete(made.AccessorID, nil) })
	return made
}

// Only run where the agent has access control on.
var aclCases = []testCase{
	{"acl: a policy is created, read, listed, updated and deleted", func(t *T) {
		acl := t.client.ACL()
		made := t.policy("case-policy", `key_prefix "a/" { policy = "write" }`)
		t.check(len(made.Hash) > 0 && made.CreateIndex > 0 && made.CreateIndex == made.ModifyIndex, "policy: %#v", made)
		read, meta, err := acl.PolicyRead(made.ID, nil)
		t.must(err, "read")
		t.equal(read, made, "read")
		t.check(meta.LastIndex > 0, "index: %v", meta)
		named, _, err := acl.PolicyReadByName("case-policy", nil)
		t.must(err, "by name")
		t.equal(named, made, "by name")
		found := false
		list, _, err := acl.PolicyList(nil)
		t.must(err, "list")
		for _, each := range list {
			found = found || each.ID == made.ID && each.Name == made.Name && each.CreateIndex == made.CreateIndex
		}
		t.check(found && len(list) >= 3, "list: %v", list)
		made.Rules = ""
		updated, _, err := acl.PolicyUpdate(made, nil)
		t.must(err, "update")
		t.check(updated.Rules == "" && updated.ModifyIndex > updated.CreateIndex, "updated: %#v", updated)
		_, err = acl.PolicyDelete(made.ID, nil)
		t.must(err, "delete")
		gone, _, err := acl.PolicyRead(made.ID, nil)
		t.check(gone == nil, "still there: %v", gone)
		t.fails(err, "ACL not found")
	}},
	{"acl: a token is created, read, cloned, updated and deleted", func(t *T) {
		acl := t.client.ACL()
		policy := t.policy("case-token-policy", "")
		made := t.token(&api.ACLToken{
			Description:       "token created",
			Policies:          []*api.ACLTokenPolicyLink{{ID: policy.ID}},
			ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "web", Datacenters: []string{"dc1"}}},
			NodeIdentities:    []*api.ACLNodeIdentity{{NodeName: "n1", Datacenter: "dc1"}},
			TemplatedPolicies: []*api.ACLTemplatedPolicy{{TemplateName: "builtin/service", TemplateVariables: &api.ACLTemplatedPolicyVariables{Name: "api"}}},
		})
		t.check(len(made.SecretID) == 36 && made.Policies[0].Name == policy.Name, "created: %#v", made)
		t.check(made.TemplatedPolicies[0].TemplateVariables.Name == "api", "templated: %#v", made.TemplatedPolicies[0])
		read, _, err := acl.TokenRead(made.AccessorID, nil)
		t.must(err, "read")
		// Told once: when it is made.
		t.equal(read.SecretID, "<hidden>", "secret")
		read.SecretID = made.SecretID
		t.equal(read, made, "read")
		self, _, err := t.as(made.SecretID).ACL().TokenReadSelf(nil)
		t.must(err, "self")
		t.equal(self, made, "self")
		clone, _, err := acl.TokenClone(made.AccessorID, "cloned", nil)
		t.must(err, "clone")
		t.check(clone.AccessorID != made.AccessorID && clone.SecretID != made.SecretID && clone.Description == "cloned", "clone: %#v", clone)
		t.equal(clone.Policies, made.Policies, "policies of the clone")
		_, err = acl.TokenDelete(clone.AccessorID, nil)
		t.must(err, "delete the clone")
		made.Description = "updated"
		updated, _, err := acl.TokenUpdate(made, nil)
		t.must(err, "update")
		t.check(updated.Description == "updated" && updated.SecretID == made.SecretID, "updated: %#v", updated)
		expanded, _, err := acl.TokenReadExpanded(made.AccessorID, nil)
		t.must(err, "expanded")
		t.check(len(expanded.ExpandedPolicies) == 1 && expanded.ResolvedByAgent == t.node, "expanded: %#v", expanded)
		list, _, err := acl.TokenList(nil)
		t.must(err, "list")
		t.check(len(list) >= 3, "list: %v", list)
		filtered, _, err := acl.TokenListFiltered(api.ACLTokenFilterOptions{ServiceName: "web"}, nil)
		t.must(err, "filtered")
		t.check(len(filtered) == 1 && filtered[0].AccessorID == made.AccessorID, "filtered: %v", filtered)
		_, err = acl.TokenDelete(made.AccessorID, nil)
		t.must(err, "delete")
		_, _, err = acl.TokenRead(made.AccessorID, nil)
		t.fails(err, "ACL not found")
		_, _, err = t.as(made.SecretID).KV().Get("x", nil)
		t.fails(err, "ACL not found")
	}},
	{"acl: a role is created, read, listed, updated and deleted", func(t *T) {
		acl := t.client.ACL()
		policy := t.policy("case-role-policy", "")
		made, _, err := acl.RoleCreate(&api.ACLRole{Name: "case-role", Policies: []*api.ACLRolePolicyLink{{Name: policy.Name}}}, nil)
		t.must(err, "create")
		t.equal(made.Policies[0].ID, policy.ID, "link")
		read, _, err := acl.RoleReadByName("case-role", nil)
		t.must(err, "read")
		t.equal(read, made, "read")
		token := t.token(&api.ACLToken{Roles: []*api.ACLTokenRoleLink{{Name: made.Name}}})
		t.equal(token.Roles[0].ID, made.ID, "role of the token")
		made.Description = "changed"
		updated, _, err := acl.RoleUpdate(made, nil)
		t.must(err, "update")
		t.equal(updated.Description, "changed", "description")
		list, _, err := acl.RoleList(nil)
		t.must(err, "list")
		t.check(len(list) >= 1, "list: %v", list)
		_, err = acl.RoleDelete(made.ID, nil)
		t.must(err, "delete")
		gone, _, err := acl.RoleRead(made.ID, nil)
		t.check(err == nil && gone == nil, "still there: %v %v", gone, err)
	}},
	{"acl: an auth method and a binding rule are created, read, listed, updated and deleted", func(t *T) {
		acl := t.client.ACL()
		method, _, err := acl.AuthMethodCreate(&api.ACLAuthMethod{
			Name: "case-method", Type: "jwt", Description: "of a case", MaxTokenTTL: 5 * 60 * 1e9, TokenLocality: "local",
			Config: map[string]any{"JWKSURL": "http://127.0.0.1:1/", "BoundAudiences": []string{"a"}, "ClaimMappings": map[string]string{"sub": "who"}},
		}, nil)
		t.must(err, "create method")
		t.defers(func() { _, _ = acl.AuthMethodDelete("case-method", nil) })
		read, _, err := acl.AuthMethodRead("case-method", nil)
		t.must(err, "read method")
		t.equal(read, method, "method")
		t.equal(read.MaxTokenTTL.String(), "5m0s", "ttl")
		methods, _, err := acl.AuthMethodList(nil)
		t.must(err, "list methods")
		t.check(len(methods) == 1 && methods[0].MaxTokenTTL == method.MaxTokenTTL, "methods: %v", methods)
		rule, _, err := acl.BindingRuleCreate(&api.ACLBindingRule{AuthMethod: "case-method", Selector: "value.who == x", BindType: api.BindingRuleBindTypeService, BindName: "${value.who}"}, nil)
		t.must(err, "create rule")
		same, _, err := acl.BindingRuleRead(rule.ID, nil)
		t.must(err, "read rule")
		t.equal(same, rule, "rule")
		rule.Description = "changed"
		changed, _, err := acl.BindingRuleUpdate(rule, nil)
		t.must(err, "update rule")
		t.equal(changed.Description, "changed", "description")
		rules, _, err := acl.BindingRuleList("case-method", nil)
		t.must(err, "list rules")
		t.check(len(rules) == 1, "rules: %v", rules)
		_, _, err = acl.Login(&api.ACLLoginParams{AuthMethod: "case-method", BearerToken: "x"}, &api.WriteOptions{Token: ""})
		t.check(err != nil, "logged in with nothing")
		_, err = acl.AuthMethodDelete("case-method", nil)
		t.must(err, "delete method")
		gone, _, err := acl.BindingRuleRead(rule.ID, nil)
		t.check(err == nil && gone == nil, "rule is still there: %v %v", gone, err)
	}},
	{"acl: templated policies, replication, a second bootstrap", func(t *T) {
		acl := t.client.ACL()
		templates, _, err := acl.TemplatedPolicyList(nil)
		t.must(err, "list")
		t.equal(len(templates), 6, "templates")
		one, _, err := acl.TemplatedPolicyReadByName("builtin/node", nil)
		t.must(err, "read")
		t.check(strings.Contains(one.Template, "node"), "template: %v", one)
		preview, _, err := acl.TemplatedPolicyPreview(&api.ACLTemplatedPolicy{TemplateName: "builtin/node", TemplateVariables: &api.ACLTemplatedPolicyVariables{Name: "n1"}}, nil)
		t.must(err, "preview")
		t.check(strings.Contains(preview.Rules, `node "n1"`), "preview: %v", preview.Rules)
		status, _, err := acl.Replication(nil)
		t.must(err, "replication")
		t.check(!status.Enabled && !status.Running, "replication: %v", status)
		_, _, err = acl.Bootstrap()
		t.fails(err, "ACL bootstrap no longer allowed")
	}},
	{"acl: lists say that something was left out, refusals what is missing", func(t *T) {
		_, err := t.client.KV().Put(&api.KVPair{Key: "case-acl/a", Value: []byte("1")}, nil)
		t.must(err, "put")
		t.defers(func() { _, _ = t.client.KV().DeleteTree("case-acl/", nil) })
		policy := t.policy("case-weak", `key_prefix "other/" { policy = "write" }`)
		token := t.token(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{ID: policy.ID}}})
		weak := t.as(token.SecretID)
		pairs, meta, err := weak.KV().List("case-acl/", nil)
		t.must(err, "list")
		t.check(len(pairs) == 0, "seen: %v", pairs)
		t.check(meta.ResultsFilteredByACLs, "nothing was said to be left out")
		t.equal(meta.DefaultACLPolicy, "deny", "default policy")
		_, err = weak.KV().Put(&api.KVPair{Key: "case-acl/b"}, nil)
		t.fails(err, "lacks permission 'key:write' on \"case-acl/b\"")
		nodes, _, err := weak.Catalog().Nodes(nil)
		t.check(err == nil && len(nodes) == 0, "nodes: %v %v", nodes, err)
		_, err = weak.Agent().Self()
		t.fails(err, "lacks permission 'agent:read'")
		_, _, err = weak.ACL().TokenList(nil)
		t.fails(err, "lacks permission 'acl:read'")
	}},
	{"acl: tokens of the agent are set", func(t *T) {
		_, err := t.client.Agent().UpdateReplicationACLToken("", nil)
		t.must(err, "replication")
		_, err = t.client.Agent().UpdateConfigFileRegistrationToken("", nil)
		t.must(err, "files")
		_, err = t.client.Agent().UpdateDNSToken("", nil)
		t.must(err, "dns")
	}},
}
