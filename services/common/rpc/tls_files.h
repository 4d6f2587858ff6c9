// The certificate, key and roots of this service for gRPC, watched on disk.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_TLS_FILES_H_
#define SALLYPORT_SERVICES_COMMON_RPC_TLS_FILES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "sallyport/common/config/v1/server_config.pb.h"

namespace sallyport {

using TlsFilesProvider =
    std::shared_ptr<grpc::experimental::CertificateProviderInterface>;

// Watches the files, looking every `refresh` (whole seconds, at least one):
// new handshakes use what is on disk, established connections stay. Replace a
// pair by rename, key and certificate as close together as can be; a pair that
// does not match fails handshakes until the next look. INVALID_ARGUMENT with
// reason TLS_FILE_UNUSABLE names every file that is not readable PEM now.
absl::StatusOr<TlsFilesProvider> WatchTlsFiles(
    const common::config::v1::TlsFiles& files, absl::Duration refresh);

// The same from the server's configuration, with its default of 5 s.
absl::StatusOr<TlsFilesProvider> WatchTlsFiles(
    const common::config::v1::ServerConfig& config);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_TLS_FILES_H_
