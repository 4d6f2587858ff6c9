// A blocking TLS client over TCP, for commands that speak a protocol other
// than gRPC.

#ifndef SALLYPORT_TOOLS_CLI_TLS_CONNECTION_H_
#define SALLYPORT_TOOLS_CLI_TLS_CONNECTION_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/unique_fd.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"

namespace sallyport::cli {

// "host:port" or "[v6]:port". INVALID_ARGUMENT, ADDRESS_INVALID, else.
absl::StatusOr<std::pair<std::string, std::string>> SplitHostPort(
    const std::string& text);

// OK if `leaf` holds `name`: an IP address among its IP SANs, a host name
// among its dNSNames, whatever the case, no wildcards (RFC 5922's rule is
// strict, and so are we). PEER_IDENTITY_MISMATCH tells what it holds instead.
absl::Status CheckServerName(const CertificateInfo& leaf,
                             const std::string& name);

// OK if a TCP port takes a connection (CUC-66). UNAVAILABLE with
// NAME_NOT_RESOLVED or CONNECT_FAILED, DEADLINE_EXCEEDED with NO_ANSWER.
absl::Status CheckTcpPort(const std::string& host, const std::string& port,
                          absl::Duration timeout);

// Thread-compatible.
class TlsConnection {
 public:
  // Connects and completes the handshake, each step within `timeout`.
  // UNAVAILABLE with NAME_NOT_RESOLVED, CONNECT_FAILED or CONNECTION_LOST,
  // DEADLINE_EXCEEDED with NO_ANSWER, or the session's error.
  static absl::StatusOr<std::unique_ptr<TlsConnection>> Connect(
      const std::string& host, const std::string& port,
      std::shared_ptr<const TlsContext> context, absl::Duration timeout);
  ~TlsConnection();

  absl::Status Write(ByteSpan bytes);
  // At least one octet; empty when the peer has closed.
  absl::StatusOr<std::string> Read();

  const TlsSession& session() const { return *session_; }

 private:
  TlsConnection(UniqueFd socket, std::unique_ptr<TlsSession> session,
                absl::Duration timeout);

  absl::Status Flush();
  // Takes what the socket has; false at its end.
  absl::StatusOr<bool> Receive();

  UniqueFd socket_;
  std::unique_ptr<TlsSession> session_;
  absl::Duration timeout_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TLS_CONNECTION_H_
