// A voicemail port as it registers by SCCP, from its own side.

#ifndef SALLYPORT_TOOLS_CLI_SCCP_CLIENT_H_
#define SALLYPORT_TOOLS_CLI_SCCP_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/cli/tls_connection.h"

namespace sallyport::cli {

// A StationRegister message of a voicemail port (protocols.md section 14):
// device type 80, protocol version 11. `address` is its own, in network order.
std::string SccpRegister(const std::string& device_name, uint32_t address);
std::string SccpKeepAlive();
std::string SccpUnregister();

struct SccpFrame {
  uint32_t id = 0;
  std::string body;
};

// Takes the first whole frame out of `octets`. False if there is none yet;
// INVALID_ARGUMENT, SCCP_MALFORMED, if there never will be.
absl::StatusOr<bool> TakeSccpFrame(std::string& octets, SccpFrame& frame);

// One port on a connection that stands. Thread-compatible.
class SccpClient {
 public:
  explicit SccpClient(std::unique_ptr<TlsConnection> connection)
      : connection_(std::move(connection)) {}

  // OK once it is in service. PERMISSION_DENIED, REGISTRATION_REJECTED, with
  // the call manager's words; UNAVAILABLE, CONNECTION_LOST, if it hangs up.
  absl::Status Register(const std::string& device_name);
  // Until then it stays in service, by keep-alives.
  absl::Status Hold(absl::Time until);
  absl::Status Unregister();

  const TlsConnection& connection() const { return *connection_; }

 private:
  absl::StatusOr<SccpFrame> Next();
  absl::StatusOr<SccpFrame> WaitFor(uint32_t id);

  const std::unique_ptr<TlsConnection> connection_;
  std::string received_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_SCCP_CLIENT_H_
