// Where a voicemail port group finds call managers and trust lists.

#ifndef SALLYPORT_TOOLS_CLI_VOICEMAIL_SERVERS_H_
#define SALLYPORT_TOOLS_CLI_VOICEMAIL_SERVERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/voicemail_port_group.pb.h"
#include "services/common/net/socket_address.h"

namespace sallyport::cli {

struct ServerTarget {
  std::string host;  // as configured
  std::string port;
  std::string text() const { return host + ":" + port; }
};

// The servers of one role in order of preference, each with the port that it
// has or that follows from the group (CUC-05, CUC-30).
std::vector<ServerTarget> CallManagersOf(
    const dialplan::v1::VoicemailPortGroup& group);
std::vector<ServerTarget> TftpServersOf(
    const dialplan::v1::VoicemailPortGroup& group);

// An address, or the first that a host name has. UNAVAILABLE,
// NAME_NOT_RESOLVED.
absl::StatusOr<SocketAddress> ResolveUdp(const ServerTarget& target);

// "192.0.2.1", "192.0.2.1:6969", "tftp.example.test": port 69 where none is
// given. INVALID_ARGUMENT, ADDRESS_INVALID.
absl::StatusOr<ServerTarget> TftpTarget(const std::string& text);

// CTLFile.tlv of that server, as TftpGet() has it.
absl::StatusOr<std::string> FetchCtl(const ServerTarget& server,
                                     absl::Duration patience);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_VOICEMAIL_SERVERS_H_
