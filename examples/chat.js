// Serves examples/chat.html and the client library, for a cluster that lets its pages connect:
//   npm start -- --allow-origins http://127.0.0.1:8000
//   node examples/chat.js           # then http://127.0.0.1:8000/?user=ada, and another as bob
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const read = (path) => readFileSync(new URL(path, import.meta.url));
const files = {
  '/': ['text/html; charset=utf-8', read('chat.html')],
  '/bellhop.global.js': ['text/javascript; charset=utf-8', read('../dist/client/bellhop.global.js')],
};
const port = Number(process.argv[2] ?? 8000);

const server = createServer((request, response) => {
  const [path] = (request.url ?? '').split('?');
  const [type, body] = files[path] ?? [];
  if (body === undefined) response.writeHead(404).end();
  else response.writeHead(200, { 'Content-Type': type }).end(body);
});
server.on('error', ({ code }) => {
  console.error(
    `Port ${port} cannot be had (${code}): give another, here and in --allow-origins, e.g. node examples/chat.js 8001`,
  );
  process.exitCode = 2;
});
server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/?user=ada`));
