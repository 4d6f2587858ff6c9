#include "tools/cli/service_clients.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/common/config/proto_time.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Message;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::ServiceDescriptor;
using ClientConfig = ::sallyport::common::config::v1::ClientConfig;

// A page of a thousand resources is well below.
constexpr int kMaxMessageBytes = 64 << 20;

std::string FromBuffer(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

std::string ServiceNameOf(const ServiceDescriptor& service) {
  const std::string& package = service.file()->package();
  const size_t first = package.find('.');
  const size_t last = package.rfind('.');
  return package.substr(first + 1, last - first - 1);
}

ServiceClients::ServiceClients(config::v1::CliConfig config,
                               TlsFilesProvider provider)
    : config_(std::move(config)), provider_(std::move(provider)) {}

absl::StatusOr<std::unique_ptr<ServiceClients>> ServiceClients::Create(
    const config::v1::CliConfig& config) {
  SP_ASSIGN_OR_RETURN(TlsFilesProvider provider,
                      WatchTlsFiles(config.tls(), absl::Seconds(3600)));
  return std::unique_ptr<ServiceClients>(
      new ServiceClients(config, std::move(provider)));
}

absl::StatusOr<std::vector<Endpoint>> ServiceClients::All(
    const std::string& service) {
  const auto known = endpoints_.find(service);
  if (known != endpoints_.end()) return known->second;

  std::vector<ClientConfig> configured;
  if (service == "dialplan") configured = {config_.dialplan()};
  if (service == "credential_issuer")
    configured = {config_.credential_issuer()};
  if (service == "capf") configured = {config_.capf()};
  if (service == "signaling_edge") {
    configured.assign(config_.signaling_edges().begin(),
                      config_.signaling_edges().end());
  }
  if (service == "media_relay") {
    configured.assign(config_.media_relays().begin(),
                      config_.media_relays().end());
  }

  std::vector<Endpoint> endpoints;
  for (const ClientConfig& client : configured) {
    if (client.target().empty()) continue;
    Endpoint endpoint;
    endpoint.service = service;
    endpoint.target = client.target();
    endpoint.expected_identity = ServiceSpiffeId(
        config_.trust_domain(), client.expected_service().empty()
                                    ? service
                                    : client.expected_service());
    endpoint.timeout = FromProtoOr(client.timeout(), absl::Seconds(10));
    ClientChannelOptions options;
    options.target = endpoint.target;
    options.expected_identity = endpoint.expected_identity;
    options.max_message_bytes = kMaxMessageBytes;
    endpoint.channel = MakeClientChannel(provider_, options);
    endpoints.push_back(std::move(endpoint));
  }
  if (endpoints.empty()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "SERVICE_NOT_CONFIGURED",
        absl::StrCat("the configuration names no target for ", service));
  }
  endpoints_[service] = endpoints;
  return endpoints;
}

absl::StatusOr<Endpoint> ServiceClients::First(const std::string& service) {
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> all, All(service));
  return all.front();
}

absl::StatusOr<std::string> CallRaw(const Endpoint& endpoint,
                                    const std::string& path,
                                    const std::string& request,
                                    std::string* peer_pem) {
  grpc::GenericStub stub(endpoint.channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + endpoint.timeout));
  grpc::CompletionQueue queue;
  const grpc::Slice slice(request);
  grpc::ByteBuffer answer;
  grpc::Status status;
  const auto reader = stub.PrepareUnaryCall(
      &context, path, grpc::ByteBuffer(&slice, 1), &queue);
  reader->StartCall();
  reader->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  if (!status.ok()) return FromGrpc(status);
  const auto peer = context.auth_context();
  if (peer_pem != nullptr && peer != nullptr) {
    const auto values = peer->FindPropertyValues("x509_pem_cert");
    if (!values.empty()) peer_pem->assign(values[0].data(), values[0].size());
  }
  return FromBuffer(answer);
}

absl::Status CallUnary(const Endpoint& endpoint, const MethodDescriptor& method,
                       const Message& request, Message* response) {
  const std::string path =
      absl::StrCat("/", method.service()->full_name(), "/", method.name());
  SP_ASSIGN_OR_RETURN(const std::string answer,
                      CallRaw(endpoint, path, request.SerializeAsString()));
  if (!response->ParseFromString(answer)) {
    return MakeError(absl::StatusCode::kInternal, "ANSWER_UNREADABLE",
                     absl::StrCat(path, " answered what its type is not"));
  }
  return absl::OkStatus();
}

}  // namespace sallyport::cli
