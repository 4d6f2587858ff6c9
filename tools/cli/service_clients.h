// Channels to the services, and calls by the descriptors of their methods.

#ifndef SALLYPORT_TOOLS_CLI_SERVICE_CLIENTS_H_
#define SALLYPORT_TOOLS_CLI_SERVICE_CLIENTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"
#include "sallyport/cli/config/v1/cli_config.pb.h"
#include "services/common/rpc/tls_files.h"

namespace sallyport::cli {

// One instance of one service.
struct Endpoint {
  std::string service;            // "signaling_edge"
  std::string target;             // as configured
  std::string expected_identity;  // "spiffe://..."
  absl::Duration timeout;         // of one unary call
  std::shared_ptr<grpc::Channel> channel;
};

// "sallyport.dialplan.v1.DialplanService" gives "dialplan".
std::string ServiceNameOf(const google::protobuf::ServiceDescriptor& service);

// Connects on demand. Thread-compatible.
class ServiceClients {
 public:
  // INVALID_ARGUMENT, TLS_FILE_UNUSABLE, if the operator's files are.
  static absl::StatusOr<std::unique_ptr<ServiceClients>> Create(
      const config::v1::CliConfig& config);

  // The instances of `service`, in the order of the configuration.
  // FAILED_PRECONDITION, SERVICE_NOT_CONFIGURED, if there are none.
  absl::StatusOr<std::vector<Endpoint>> All(const std::string& service);
  // The first of them.
  absl::StatusOr<Endpoint> First(const std::string& service);

  const config::v1::CliConfig& config() const { return config_; }

 private:
  ServiceClients(config::v1::CliConfig config, TlsFilesProvider provider);

  const config::v1::CliConfig config_;
  const TlsFilesProvider provider_;
  std::map<std::string, std::vector<Endpoint>> endpoints_;
};

// Calls the unary `method` at `endpoint`. `request` and `response` are of its
// types. Errors are what the service said, with reason and violations.
absl::Status CallUnary(const Endpoint& endpoint,
                       const google::protobuf::MethodDescriptor& method,
                       const google::protobuf::Message& request,
                       google::protobuf::Message* response);

// The same in bytes, for services without descriptors here. `peer_pem`, if
// given, is set to the certificate that the server showed.
absl::StatusOr<std::string> CallRaw(const Endpoint& endpoint,
                                    const std::string& path,
                                    const std::string& request,
                                    std::string* peer_pem = nullptr);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SERVICE_CLIENTS_H_
