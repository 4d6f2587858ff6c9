// What the edge knows, as its API says it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_EDGE_PROTO_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_EDGE_PROTO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "sallyport/signaling_edge/v1/call.pb.h"
#include "sallyport/signaling_edge/v1/connection.pb.h"
#include "sallyport/signaling_edge/v1/event.pb.h"
#include "sallyport/signaling_edge/v1/registration.pb.h"
#include "sallyport/type/v1/certificate_summary.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/connection_table.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/registrar.h"
#include "services/signaling_edge/io/connection_io.h"
#include "services/signaling_edge/io/edge_reporter.h"
#include "services/signaling_edge/io/time_base.h"

namespace sallyport::signaling_edge {

// Resource names end in the core's ids, in decimal; the tenant is "-" where it
// is not known. All functions are pure.
struct ProtoContext {
  std::string edge;  // our instance
  TimeBase time;
};

v1::Call ToProto(const CallRecord& record, const ProtoContext& context);
// `io` may be null when the socket is already gone.
v1::Connection ToProto(const Connection& connection, const ConnectionIo* io,
                       const ProtoContext& context);
// `plan` may be null.
v1::Registration ToProto(const Binding& binding, const PlanIndex* plan,
                         const ProtoContext& context);
v1::Refusal RefusalToProto(int64_t sequence, absl::Time time,
                           const EdgeEvent& event, const std::string& edge);
v1::Event ToProto(int64_t sequence, absl::Time time, const EdgeEvent& event,
                  const std::string& edge);
v1::WatchCallRecordsResponse ToProto(int64_t sequence, const EndedCall& ended,
                                     const std::string& edge);

type::v1::TransportAddress ToProto(const SocketAddress& address,
                                   SipTransport transport);
type::v1::CertificateSummary ToProto(const CertificateInfo& certificate);

// Of the connection that carries a leg; as ToProto(Connection) names it.
std::string ConnectionNameOf(const LegRecord& leg);

// One JSON object without line breaks: the record as the API says it.
std::string CallRecordLine(int64_t sequence, const EndedCall& ended,
                           const std::string& edge);

// The number at the end of "tenants/{t}/{collection}/{number}"; nullopt for
// any other name.
std::optional<uint64_t> IdOfName(std::string_view name,
                                 std::string_view collection);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_EDGE_PROTO_H_
