// Deliver one operation with one part by the official SDK: deliver.mjs URL json|protobuf none|gzip COOKIE
import { SpanStatusCode, context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as Json } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Protobuf } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [url, encoding, compression, cookie] = process.argv.slice(2);
const exporter = new (encoding === "json" ? Json : Protobuf)({ url, compression });
const results = [];
const watched = {
  export: (spans, done) =>
    exporter.export(spans, (result) => {
      results.push(result.error ? `${result.error}` : result.code);
      done(result);
    }),
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush(),
};
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({
    "service.name": "cloudquery",
    "service.version": "6.21.1",
    "service.instance.id": cookie,
    "cloudquery.ci": true,
    "cloudquery.plugins": ["source/cloudquery/aws@v27.1.0"],
    "host.name": "nobodys-business",
  }),
  spanProcessors: [new SimpleSpanProcessor(watched)],
});
const tracer = provider.getTracer("deliver");
const operation = tracer.startSpan("sync");
const part = tracer.startSpan("sync.aws", {}, trace.setSpan(context.active(), operation));
part.setStatus({ code: SpanStatusCode.OK });
part.end();
operation.setAttributes({ "process.exit.code": 3, "url.full": "nobodys-business" });
operation.setStatus({ code: SpanStatusCode.ERROR, message: "nobodys-business" });
operation.end();
await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify(results));
