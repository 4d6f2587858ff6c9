#include "services/common/rpc/server_builder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "grpcpp/server_builder.h"
#include "services/common/config/proto_time.h"
#include "services/common/rpc/access_processor.h"
#include "services/common/rpc/callback_queue.h"
#include "services/common/rpc/server_interceptor.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::common::config::v1;

constexpr int kDefaultMaxMessageBytes = 4 << 20;
constexpr int kDefaultMaxStreams = 1000;
constexpr absl::Duration kDefaultLongestCall = absl::Seconds(10);
// A caller that is gone is noticed within these two.
constexpr int kKeepaliveTimeMs = 20'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Our channels ping every 20 s; a peer that pings faster than this is cut off.
constexpr int kMinPingIntervalMs = 10'000;

std::shared_ptr<grpc::ServerCredentials> MutualTls(TlsFilesProvider provider) {
  grpc::experimental::TlsServerCredentialsOptions options(std::move(provider));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  // Who the caller is, beyond its chain, is AccessPolicy's question: a caller
  // is then told why, which a failed handshake cannot do.
  return grpc::experimental::TlsServerCredentials(options);
}

// Switches on what gRPC keeps as state of the process, once and before the
// first server is built.
void PrepareProcess() {
  static const bool done = [] {
    grpc::EnableDefaultHealthCheckService(true);
    return true;
  }();
  static_cast<void>(done);
}

void EnableReflection() {
  static const bool done = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const pb::ServerConfig& config, const GrpcServerOptions& options) {
  SP_CHECK(options.policy != nullptr);
  PrepareProcess();
  if (!config.disable_reflection()) EnableReflection();
  SP_ASSIGN_OR_RETURN(TlsFilesProvider provider, WatchTlsFiles(config));
  std::shared_ptr<grpc::ServerCredentials> credentials =
      MutualTls(std::move(provider));
  credentials->SetAuthMetadataProcessor(
      std::make_shared<AccessProcessor>(*options.policy));

  const std::string address = config.listen_address().empty()
                                  ? options.default_address
                                  : config.listen_address();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, credentials, &port);
  for (grpc::Service* service : options.services) {
    builder.RegisterService(service);
  }
  const int max_message = config.max_message_bytes() == 0
                              ? kDefaultMaxMessageBytes
                              : static_cast<int>(config.max_message_bytes());
  builder.SetMaxReceiveMessageSize(max_message);
  builder.SetMaxSendMessageSize(max_message);
  builder.AddChannelArgument(
      GRPC_ARG_MAX_CONCURRENT_STREAMS,
      config.max_concurrent_streams() == 0
          ? kDefaultMaxStreams
          : static_cast<int>(config.max_concurrent_streams()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kMinPingIntervalMs);
  // Two servers on one port would share its callers by chance.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::vector<
      std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(std::make_unique<ServerInterceptorFactory>(
      options.policy->methods(),
      FromProtoOr(config.request_timeout(), kDefaultLongestCall),
      options.metrics));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));

  std::unique_ptr<GrpcServer> out(new GrpcServer());
  PinCallbackQueue();
  out->server_ = builder.BuildAndStart();
  if (out->server_ == nullptr || port == 0) {
    return MakeError(absl::StatusCode::kUnavailable, "ADDRESS_NOT_BOUND",
                     absl::StrCat("cannot listen on ", address));
  }
  out->port_ = port;
  out->SetReady(false);
  out->SetTakesNewWork(false);
  return out;
}

GrpcServer::~GrpcServer() { Shutdown(absl::ZeroDuration()); }

void GrpcServer::SetReady(bool ready) {
  server_->GetHealthCheckService()->SetServingStatus("", ready);
}

void GrpcServer::SetTakesNewWork(bool takes) {
  server_->GetHealthCheckService()->SetServingStatus(kNewWorkHealthName, takes);
}

void GrpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  server_->Wait();
}

}  // namespace sallyport
