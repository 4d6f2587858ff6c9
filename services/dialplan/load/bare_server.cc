// A gRPC server over mutual TLS that answers every call with the same octets
// and does nothing else: what a ResolveRoute costs that takes no time at all,
// on this machine and at this moment. Prints its port, and runs until it is
// ended.

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/rpc/tls_files.h"

ABSL_FLAG(std::string, pki, "", "folder of tools/dev/mint_dev_certs");

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

grpc::ByteBuffer Answer() {
  pb::ResolveRouteResponse response;
  response.set_decision(pb::ROUTE_DECISION_ROUTED);
  const std::string octets = response.SerializeAsString();
  const grpc::Slice slice(octets);
  return grpc::ByteBuffer(&slice, 1);
}

// One call. Deletes itself.
class Reactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Reactor(const grpc::ByteBuffer& answer) : answer_(answer) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (ok) {
      StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
    } else {
      Finish(grpc::Status::OK);
    }
  }
  void OnDone() override { delete this; }

 private:
  const grpc::ByteBuffer& answer_;
  grpc::ByteBuffer request_;
};

class Service final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* /*context*/) override {
    return new Reactor(answer_);
  }

 private:
  const grpc::ByteBuffer answer_ = Answer();
};

int Run() {
  const std::string pki = absl::GetFlag(FLAGS_pki);
  common::config::v1::TlsFiles files;
  files.set_certificate_file(pki + "/dialplan.pem");
  files.set_key_file(pki + "/dialplan.key");
  files.set_ca_file(pki + "/ca.pem");
  absl::StatusOr<TlsFilesProvider> provider =
      WatchTlsFiles(files, absl::Hours(1));
  if (!provider.ok()) {
    std::fprintf(stderr, "%s\n", provider.status().ToString().c_str());
    return 1;
  }
  grpc::experimental::TlsServerCredentialsOptions tls(*std::move(provider));
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(
      "127.0.0.1:0", grpc::experimental::TlsServerCredentials(tls), &port);
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::printf("{\"grpc\": %d}\n", port);
  std::fflush(stdout);
  server->Wait();
  return 0;
}

}  // namespace
}  // namespace sallyport::dialplan

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return sallyport::dialplan::Run();
}
