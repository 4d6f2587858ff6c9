#include "services/signaling_edge/io/tls_trace_log.h"

#include "services/common/log/log.h"

namespace sallyport::signaling_edge {
namespace {

constexpr double kLinesPerSecond = 200;
constexpr double kBurst = 1000;

}  // namespace

std::shared_ptr<TlsTrace> NewTlsTraceLog() {
  auto limiter = std::make_shared<LogLimiter>(kLinesPerSecond, kBurst);
  return std::make_shared<TlsTrace>([limiter](const TlsTraceLine& line) {
    LogLimited(*limiter, LogLevel::kInfo, "tls debug",
               {{"kind", TlsTraceKindName(line.kind)},
                {"session", line.session},
                {"role", line.server ? "server" : "client"},
                {"step", line.text}});
  });
}

}  // namespace sallyport::signaling_edge
