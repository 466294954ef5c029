/**
 * The commands below `fairlead acl`, by name.
 */

import { command, group } from '../command-node.ts'

export const ACL_COMMANDS = group('Access control: tokens, policies, roles, auth methods', {
  'auth-method': group('Ways to log in', {
    create: command('Make an auth method', async () => {
      return (await import('../commands/acl-method.ts')).authMethodCreateCommand
    }),
    delete: command('Delete an auth method', async () => {
      return (await import('../commands/acl-method.ts')).authMethodDeleteCommand
    }),
    list: command('List the auth methods', async () => {
      return (await import('../commands/acl-method.ts')).authMethodListCommand
    }),
    read: command('Show an auth method', async () => {
      return (await import('../commands/acl-method.ts')).authMethodReadCommand
    }),
    update: command('Change an auth method', async () => {
      return (await import('../commands/acl-method.ts')).authMethodUpdateCommand
    }),
  }),
  'binding-rule': group('What logins give', {
    create: command('Make a binding rule', async () => {
      return (await import('../commands/acl-method.ts')).bindingRuleCreateCommand
    }),
    delete: command('Delete a binding rule', async () => {
      return (await import('../commands/acl-method.ts')).bindingRuleDeleteCommand
    }),
    list: command('List the binding rules', async () => {
      return (await import('../commands/acl-method.ts')).bindingRuleListCommand
    }),
    read: command('Show a binding rule', async () => {
      return (await import('../commands/acl-method.ts')).bindingRuleReadCommand
    }),
    update: command('Change a binding rule', async () => {
      return (await import('../commands/acl-method.ts')).bindingRuleUpdateCommand
    }),
  }),
  bootstrap: command('Make the first token, with all rights', async () => {
    return (await import('../commands/acl-token.ts')).aclBootstrapCommand
  }),
  policy: group('Rules with a name', {
    create: command('Make a policy', async () => {
      return (await import('../commands/acl-policy.ts')).policyCreateCommand
    }),
    delete: command('Delete a policy', async () => {
      return (await import('../commands/acl-policy.ts')).policyDeleteCommand
    }),
    list: command('List the policies', async () => {
      return (await import('../commands/acl-policy.ts')).policyListCommand
    }),
    read: command('Show a policy', async () => {
      return (await import('../commands/acl-policy.ts')).policyReadCommand
    }),
    update: command('Change a policy', async () => {
      return (await import('../commands/acl-policy.ts')).policyUpdateCommand
    }),
  }),
  role: group('Policies together', {
    create: command('Make a role', async () => {
      return (await import('../commands/acl-policy.ts')).roleCreateCommand
    }),
    delete: command('Delete a role', async () => {
      return (await import('../commands/acl-policy.ts')).roleDeleteCommand
    }),
    list: command('List the roles', async () => {
      return (await import('../commands/acl-policy.ts')).roleListCommand
    }),
    read: command('Show a role', async () => {
      return (await import('../commands/acl-policy.ts')).roleReadCommand
    }),
    update: command('Change a role', async () => {
      return (await import('../commands/acl-policy.ts')).roleUpdateCommand
    }),
  }),
  'set-agent-token': command('Give the agent a token for its own work', async () => {
    return (await import('../commands/acl-token.ts')).setAgentTokenCommand
  }),
  'templated-policy': group('Policies made of a template', {
    list: command('List the templated policies', async () => {
      return (await import('../commands/acl-policy.ts')).templatedPolicyListCommand
    }),
    preview: command('Show the policy that a templated policy makes', async () => {
      return (await import('../commands/acl-policy.ts')).templatedPolicyPreviewCommand
    }),
    read: command('Show a templated policy', async () => {
      return (await import('../commands/acl-policy.ts')).templatedPolicyReadCommand
    }),
  }),
  token: group('Tokens', {
    clone: command('Make another token like one', async () => {
      return (await import('../commands/acl-token.ts')).tokenCloneCommand
    }),
    create: command('Make a token', async () => {
      return (await import('../commands/acl-token.ts')).tokenCreateCommand
    }),
    delete: command('Delete a token', async () => {
      return (await import('../commands/acl-token.ts')).tokenDeleteCommand
    }),
    list: command('List the tokens', async () => {
      return (await import('../commands/acl-token.ts')).tokenListCommand
    }),
    read: command('Show a token', async () => {
      return (await import('../commands/acl-token.ts')).tokenReadCommand
    }),
    update: command('Change a token', async () => {
      return (await import('../commands/acl-token.ts')).tokenUpdateCommand
    }),
  }),
})
