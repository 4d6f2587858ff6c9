// How a service reaches another one.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_CLIENT_CHANNEL_H_
#define SALLYPORT_SERVICES_COMMON_RPC_CLIENT_CHANNEL_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "sallyport/common/config/v1/client_config.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/rpc/tls_files.h"

namespace sallyport {

struct ClientChannelOptions {
  std::string target;
  // The URI SAN that the server must show, octet for octet; host names in the
  // target prove nothing.
  std::string expected_identity;
  absl::Duration max_backoff = absl::Seconds(5);
  int max_message_bytes = 4 << 20;
};

// A channel over mutual TLS with the files of `provider`, reloaded as they
// change. A server whose chain is good but whose certificate has another
// identity is refused in the handshake: calls fail with UNAVAILABLE. Connects
// when first used, and again with backoff; pings while idle.
std::shared_ptr<grpc::Channel> MakeClientChannel(
    TlsFilesProvider provider, const ClientChannelOptions& options);

// The channel from this service, configured by `own`, to `service`
// ("dialplan"), configured by `client`. FAILED_PRECONDITION with reason
// SERVICE_NOT_CONFIGURED when `client` has no target; INVALID_ARGUMENT when
// the TLS files are unusable.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(
    const common::config::v1::ServerConfig& own,
    const common::config::v1::ClientConfig& client, std::string_view service);

// Deadline of one unary call: the configured timeout, 2 s if none is.
void SetDeadline(const common::config::v1::ClientConfig& client,
                 grpc::ClientContext& context);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_CLIENT_CHANNEL_H_
