#include "services/common/rpc/client_channel.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "grpcpp/support/channel_arguments.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/log/log.h"
#include "services/common/rpc/callback_queue.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::common::config::v1;

// Accepts a server by exactly one URI SAN, after its chain. Thread-safe.
class IdentityVerifier final
    : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit IdentityVerifier(std::string expected)
      : expected_(std::move(expected)) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/,
              grpc::Status* sync_status) override {
    const auto uris = request->uri_names();
    if (uris.size() == 1 &&
        std::string_view(uris[0].data(), uris[0].size()) == expected_) {
      *sync_status = grpc::Status::OK;
      return true;
    }
    SALLYPORT_LOG_LIMITED(kError, "server has another identity",
                          {{"reason", "PEER_IDENTITY_MISMATCH"},
                           {"expected", expected_},
                           {"uri_sans", uris.size()}});
    *sync_status = grpc::Status(
        grpc::StatusCode::UNAUTHENTICATED,
        absl::StrCat("PEER_IDENTITY_MISMATCH: the server is not ", expected_));
    return true;
  }

  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {
  }

 private:
  const std::string expected_;
};

}  // namespace

std::shared_ptr<grpc::Channel> MakeClientChannel(
    TlsFilesProvider provider, const ClientChannelOptions& options) {
  PinCallbackQueue();
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_certificate_provider(std::move(provider));
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<IdentityVerifier>(
          options.expected_identity));
  // The identity is the URI SAN, whatever host name was dialled.
  tls.set_check_call_host(false);

  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  // How long one attempt to connect may take: a server that has to verify the
  // clients of all a cluster at once is slow, not dead.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3'000);
  arguments.SetInt(
      GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
      static_cast<int>(std::clamp<int64_t>(
          absl::ToInt64Milliseconds(options.max_backoff), 200, 600'000)));
  // Proxies of the environment are not for calls between our own.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  arguments.SetMaxSendMessageSize(options.max_message_bytes);
  return grpc::CreateCustomChannel(
      options.target, grpc::experimental::TlsCredentials(tls), arguments);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(
    const pb::ServerConfig& own, const pb::ClientConfig& client,
    std::string_view service) {
  if (client.target().empty()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "SERVICE_NOT_CONFIGURED",
        absl::StrCat("no target is configured for ", AbslView(service)));
  }
  SP_ASSIGN_OR_RETURN(TlsFilesProvider provider, WatchTlsFiles(own));
  ClientChannelOptions options;
  options.target = client.target();
  options.expected_identity = ServiceSpiffeId(
      own.trust_domain(), client.expected_service().empty()
                              ? service
                              : std::string_view(client.expected_service()));
  options.max_backoff = FromProtoOr(client.max_backoff(), absl::Seconds(5));
  if (own.max_message_bytes() != 0) {
    options.max_message_bytes = static_cast<int>(own.max_message_bytes());
  }
  return MakeClientChannel(std::move(provider), options);
}

void SetDeadline(const pb::ClientConfig& client, grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(
      absl::Now() + FromProtoOr(client.timeout(), absl::Seconds(2))));
}

}  // namespace sallyport
