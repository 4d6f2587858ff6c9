// Sessions and allocations between proto and the core's own types.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_CODEC_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_CODEC_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/session_table.h"

namespace sallyport::media_relay {

// The tenant of "tenants/{tenant}"; "-" only where `wildcard`, and then empty.
absl::StatusOr<std::string> ParseParent(std::string_view parent, bool wildcard);
// The two ids of "tenants/{tenant}/{collection}/{id}".
absl::StatusOr<std::pair<std::string, std::string>> ParseName(
    std::string_view name, std::string_view collection);
std::string SessionName(std::string_view tenant, std::string_view id);
// 1 to 64 letters, digits, '-', '_' or '.'.
bool IsResourceId(std::string_view id);

// All but the id and the tenant. INVALID_ARGUMENT names every wrong field.
absl::StatusOr<SessionSpec> SpecFromProto(
    const v1::CreateSessionRequest& request, absl::Duration default_lease);
// INVALID_ARGUMENT names every wrong field and unknown path.
absl::StatusOr<SessionUpdate> UpdateFromProto(
    const v1::UpdateSessionRequest& request);

// `with_keys`: the caller may see the relay's own keys.
void ToProto(const SessionView& view, bool with_keys, v1::Session& out);
void ToProto(const Endpoint& endpoint, type::v1::TransportAddress& out);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RPC_SESSION_CODEC_H_
