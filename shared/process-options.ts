/** Options of processes as such: how many `npm start` runs, whether they are started again, and what a parent gives its child. */
import { ALL, duration, HOUR, type OptionTable, WORKERS } from './option-spec.ts';

export const PROCESS_OPTIONS = {
  nodes: { roles: ['start'], type: 'integer', default: 3, min: 1, max: 64, doc: 'How many nodes to start.' },
  routers: { roles: ['start'], type: 'integer', default: 1, min: 1, max: 64, doc: 'How many routers to start.' },
  restart: {
    roles: ALL,
    type: 'boolean',
    default: true,
    doc: 'Whether a process that died is started again (`--no-restart`); of a router, one of its `--workers`.',
  },
  'restart-delay-ms': duration(ALL, 2_000, 0, HOUR, 'Pause before that; doubled for one that keeps dying.'),
  'redis-server': {
    roles: ['start'],
    type: 'string',
    doc: 'Program to run as the private Redis; default `redis-server` or `valkey-server`, found or installed.',
  },

  id: {
    roles: WORKERS,
    type: 'string',
    doc: 'Stable name of this process; default `router-` or `node-` and six random characters.',
  },
  incarnation: {
    roles: ['node'],
    type: 'string',
    internal: true,
    doc: 'This life of the node; given by its supervisor.',
  },
  worker: {
    roles: ['router'],
    type: 'integer',
    min: 1,
    max: 64,
    internal: true,
    doc: 'Which of its router’s workers this process is; given by their parent.',
  },
  'router-incarnation': {
    roles: ['router'],
    type: 'string',
    internal: true,
    doc: 'This life of the router, alike in all of its workers; given by their parent.',
  },
  development: {
    roles: ['router'],
    type: 'boolean',
    default: false,
    internal: true,
    doc: 'The whole cluster runs on this machine to be tried out: serves the first page, and kills nodes when asked.',
  },
  bootstrap: {
    roles: ['node'],
    type: 'string',
    internal: true,
    doc: 'Name of the history that the supervisor has just made in its own fresh Redis.',
  },
} as const satisfies OptionTable;
