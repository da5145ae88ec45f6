// One operation with one part, delivered by the official SDK with the JDK's own HTTP client.
// Arguments: URL, compression (none or gzip), cookie.

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.util.List;
import java.util.concurrent.TimeUnit;

public final class Deliver {
  private static final String PRIVATE = "nobodys-business";

  public static void main(String[] arguments) {
    var exporter =
        OtlpHttpSpanExporter.builder()
            .setEndpoint(arguments[0])
            .setCompression(arguments[1])
            .build();
    var about =
        Attributes.builder()
            .put("service.name", "cloudquery")
            .put("service.version", "6.21.1")
            .put("service.instance.id", arguments[2])
            .put("cloudquery.ci", true)
            .put(AttributeKey.stringArrayKey("cloudquery.plugins"),
                List.of("source/cloudquery/aws@v27.1.0"))
            .put("host.name", PRIVATE)
            .build();
    var provider =
        SdkTracerProvider.builder()
            .setResource(Resource.create(about))
            .addSpanProcessor(SimpleSpanProcessor.create(exporter))
            .build();
    Tracer tracer = provider.get("test");
    Span operation = tracer.spanBuilder("sync").startSpan();
    Span part = tracer.spanBuilder("sync.aws").setParent(Context.current().with(operation)).startSpan();
    part.setStatus(StatusCode.OK);
    part.end();
    operation.setAttribute("process.exit.code", 3);
    operation.setAttribute("url.full", PRIVATE);
    operation.setStatus(StatusCode.ERROR, PRIVATE);
    operation.end();
    boolean isDone = provider.shutdown().join(30, TimeUnit.SECONDS).isSuccess();
    System.out.print(isDone ? "delivered" : "not delivered");
  }
}
