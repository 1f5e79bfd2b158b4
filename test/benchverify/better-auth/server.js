// Answers POST with a body {"key": …}: 200 when the key is valid, 401 when it is not,
// with what auth.api.verifyApiKey says. Arguments: the port, and how many processes.
import cluster from "node:cluster";
import { createServer } from "node:http";

const [port, processes] = process.argv.slice(2).map(Number);

if (cluster.isPrimary && processes > 1) {
  for (let i = 0; i < processes; i++) cluster.fork();
  process.on("SIGTERM", () => {
    cluster.on("exit", () => Object.keys(cluster.workers).length || process.exit(0));
    for (const worker of Object.values(cluster.workers)) worker.process.kill();
  });
} else {
  const { auth } = await import("./auth.js");
  createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
      try {
        const { key } = JSON.parse(Buffer.concat(parts));
        const outcome = await auth.api.verifyApiKey({ body: { key } });
        const body = JSON.stringify(outcome);
        response.writeHead(outcome.valid ? 200 : 401, {
          "Content-Type": "application/json",
          "Content-Length": Buffer.byteLength(body),
        });
        response.end(body);
      } catch (error) {
        console.error(error);
        response.writeHead(500).end();
      }
    });
  }).listen(port, "127.0.0.1");
}
