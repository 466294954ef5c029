/**
 * Metrics of the process and of the JavaScript engine in it.
 */

import { counter, gauge, sample } from '../definition.ts'

export const RUNTIME_METRICS = {
  allocBytes: gauge('runtime.alloc_bytes', 'Bytes in use on the heap of JavaScript'),
  heapTotal: gauge('runtime.heap_total_bytes', 'Bytes of the heap, in use or not'),
  external: gauge('runtime.external_bytes', 'Bytes held outside of the heap'),
  sysBytes: gauge('runtime.sys_bytes', 'Resident memory of the process in bytes'),
  tasks: gauge(
    'runtime.num_goroutines',
    'Open handles and requests of the event loop: the nearest to what Consul calls by this name',
  ),
  gcPause: sample('runtime.gc_pause_ns', 'Collections of garbage, in nanoseconds'),
  gcRuns: counter('runtime.total_gc_runs', 'Collections of garbage'),
  gcPauseTotal: counter('runtime.total_gc_pause_ns', 'Nanoseconds spent on collecting garbage'),
  loopDelay: gauge(
    'runtime.event_loop_delay_p99_ms',
    'How late the event loop was in the last interval, 99th percentile',
  ),
  loopDelayMax: gauge('runtime.event_loop_delay_max_ms', 'How late the event loop was at worst'),
  cpuSeconds: counter('runtime.cpu_seconds', 'Processor time of this process, user and system'),
} as const
