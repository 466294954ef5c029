/**
 * What is stored of a config entry that was written differently.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inNormalForm } from '../../../../core/config-entries/normal-form.ts'

test('protocols are lower case, methods upper case, weights in steps of 0.01', () => {
  assert.deepEqual(inNormalForm('service-defaults', { Protocol: 'HTTP' }), {
    Expose: {},
    MeshGateway: {},
    TransparentProxy: {},
    Protocol: 'http',
  })
  const router = { Routes: [{ Match: { HTTP: { PathPrefix: '/a', Methods: ['get'] } } }] }
  assert.deepEqual(inNormalForm('service-router', router), {
    Routes: [{ Match: { HTTP: { PathPrefix: '/a', Methods: ['GET'] } } }],
  })
  const splitter = { Splits: [{ Weight: 33.3333 }, { Weight: 66.6667, Service: 'b' }] }
  assert.deepEqual(inNormalForm('service-splitter', splitter), {
    Splits: [{ Weight: 33.33 }, { Weight: 66.67, Service: 'b' }],
  })
})

test('a rule of an http-route without path matches everything, and each service weighs at least 1', () => {
  const route = { Rules: [{ Matches: [{ Method: 'GET' }], Services: [{ Name: 'a', Weight: 0 }] }] }
  assert.deepEqual(inNormalForm('http-route', route), {
    Rules: [
      {
        Matches: [{ Method: 'GET', Path: { Match: 'prefix', Value: '/' } }],
        Services: [{ Name: 'a', Weight: 1 }],
      },
    ],
  })
})
