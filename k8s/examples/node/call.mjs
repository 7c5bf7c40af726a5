// Calls Pointsman: a few decisions, an answer, a stream, and a refusal with what is said of it. One line of JSON for each.
//
//   npm ci && node call.mjs dns:///pointsman-headless.pointsman.svc.cluster.local:50051
//
// POINTSMAN_API_KEY is sent where it is set. Without TLS, as in a mesh; otherwise grpc.credentials.createSsl(ca, key, cert).

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const load = (file, directory) =>
  grpc.loadPackageDefinition(
    protoLoader.loadSync(file, { includeDirs: [here(directory)], keepCase: false, longs: String, enums: String, oneofs: true }),
  );
const { RouterService } = load("pointsman/v1/router_service.proto", process.env.PROTOS ?? "../../../protos/").pointsman.v1;
const { Status, ErrorInfo, PreconditionFailure } = load("details.proto", "../").google.rpc;

const target = process.argv[2] ?? "127.0.0.1:50051";
const LARGEST = 16 * 1024 * 1024; // longer requests would not be tried again

// gRPC's policies are by method, so calls with an idempotency key, which may be tried again, go by a client of their own.
const client = (config) =>
  new RouterService(target, grpc.credentials.createInsecure(), {
    "grpc.service_config": readFileSync(here(`../${config}.json`), "utf8"),
    "grpc.per_rpc_retry_buffer_size": LARGEST,
    "grpc.retry_buffer_size": 4 * LARGEST,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
  });
const plain = client("service-config");
const keyed = client("service-config-keyed");

function metadata(more = {}) {
  const found = new grpc.Metadata();
  if (process.env.POINTSMAN_API_KEY) found.set("authorization", `Bearer ${process.env.POINTSMAN_API_KEY}`);
  for (const [name, value] of Object.entries(more)) found.set(name, value);
  return found;
}

const within = (seconds) => ({ deadline: Date.now() + seconds * 1000 });
const called = (stub, method, message, sent, options) =>
  new Promise((resolve, reject) => stub[method](message, sent, options, (error, response) => (error ? reject(error) : resolve(response))));

/** Returns what a status says beyond its code: any details by the names of their types. */
function detailsOf(error) {
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const kinds = { "google.rpc.ErrorInfo": ErrorInfo, "google.rpc.PreconditionFailure": PreconditionFailure };
  const found = {};
  for (const { type_url: type, value } of packed ? Status.deserialize(packed).details : []) {
    const name = type.split("/").pop();
    if (kinds[name]) found[name] = kinds[name].deserialize(value);
  }
  return found;
}

const say = (line) => console.log(JSON.stringify(line));
const request = (text, requirements = {}) => ({ request: { prompt: { text }, requirements } });

for (const text of ["What is 17 * 23?", "Write a haiku about rain.", "Prove that there is no largest prime."]) {
  const { decision } = await called(plain, "Route", request(text), metadata(), within(2));
  say({ call: "Route", model: decision.chosen.model, rule: decision.rule.id, reason: decision.reason, nanoUsd: decision.chosen.expectedCost.nanoUsd });
}

const key = { "idempotency-key": randomUUID() };
for (let time = 0; time < 2; time += 1) {
  const { completion } = await called(keyed, "Complete", request("What is 17 * 23?"), metadata(key), within(60));
  say({ call: "Complete", model: completion.model, text: completion.message.text, cache: completion.cacheStatus });
}

const pieces = [];
for await (const event of plain.StreamComplete(request("Describe a railway junction."), metadata(), within(60))) {
  if (event.event === "delta") pieces.push(event.delta.text);
  if (event.event === "completion") say({ call: "StreamComplete", pieces: pieces.length, text: pieces.join(""), finish: event.completion.finishReason });
}

try {
  await called(plain, "Route", request("What is 17 * 23?", { tags: ["mars"] }), metadata(), within(2));
} catch (error) {
  const { "google.rpc.ErrorInfo": info } = detailsOf(error);
  say({ call: "refused", code: grpc.status[error.code], message: error.details, reason: info?.reason, domain: info?.domain, counts: info?.metadata });
}

plain.close();
keyed.close();
