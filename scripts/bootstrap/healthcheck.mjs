// Health check of a container. Owns: one request to this container's own process, `/livez` or the path given; exit 0 if it is
// answered with 200. A draining process lives, so that nobody kills it for being unready.
import http from 'node:http';
import process from 'node:process';

const TIMEOUT_MS = 2_000;
const port = process.env.BELLHOP_HTTP_PORT || process.env.BELLHOP_PORT || '8080';
const path = process.argv[2] ?? '/livez';

const request = http.get({ host: '127.0.0.1', port, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
  response.resume();
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
request.on('timeout', () => request.destroy());
request.on('error', () => {
  process.exitCode = 1;
});
