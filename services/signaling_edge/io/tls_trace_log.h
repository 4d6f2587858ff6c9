// Steps of TLS as lines of the log (CCE-68).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_TRACE_LOG_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_TRACE_LOG_H_

#include <memory>

#include "services/common/tls/tls_trace.h"

namespace sallyport::signaling_edge {

// Writes "tls debug" with the fields kind, session, role and step, at most 1000
// at once and 200 a second, as strangers cause them. All switches are off.
std::shared_ptr<TlsTrace> NewTlsTraceLog();

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_TRACE_LOG_H_
