#include "tools/cli/voicemail_servers.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/tftp_get.h"
#include "tools/cli/tls_connection.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr char kTftpPort[] = "69";
constexpr char kListName[] = "CTLFile.tlv";

const char* CallManagerPort(const pb::VoicemailPortGroup& group) {
  const bool secure =
      group.device_security_mode() == pb::DEVICE_SECURITY_MODE_ENCRYPTED;
  if (group.integration() == pb::VOICEMAIL_INTEGRATION_SCCP) {
    return secure ? "2443" : "2000";
  }
  return secure ? "5061" : "5060";
}

std::vector<ServerTarget> OfRole(const pb::VoicemailPortGroup& group,
                                 pb::VoicemailServerRole role,
                                 const std::string& port) {
  std::vector<ServerTarget> out;
  for (const pb::VoicemailServer& server : group.servers()) {
    if (server.role() != role) continue;
    out.push_back({server.host(),
                   server.port() == 0 ? port : absl::StrCat(server.port())});
  }
  return out;
}

}  // namespace

std::vector<ServerTarget> CallManagersOf(const pb::VoicemailPortGroup& group) {
  return OfRole(group, pb::VOICEMAIL_SERVER_ROLE_CALL_MANAGER,
                CallManagerPort(group));
}

std::vector<ServerTarget> TftpServersOf(const pb::VoicemailPortGroup& group) {
  return OfRole(group, pb::VOICEMAIL_SERVER_ROLE_TFTP, kTftpPort);
}

absl::StatusOr<SocketAddress> ResolveUdp(const ServerTarget& target) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int failed =
      getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(list,
                                                             freeaddrinfo);
  if (failed != 0) {
    return MakeError(absl::StatusCode::kUnavailable, "NAME_NOT_RESOLVED",
                     absl::StrCat(target.host, ": ", gai_strerror(failed)));
  }
  const auto address =
      SocketAddress::FromSockaddr(list->ai_addr, list->ai_addrlen);
  if (address.has_value()) return *address;
  return MakeError(absl::StatusCode::kUnavailable, "NAME_NOT_RESOLVED",
                   target.host);
}

absl::StatusOr<ServerTarget> TftpTarget(const std::string& text) {
  const bool bare_v6 =
      std::count(text.begin(), text.end(), ':') > 1 && text.front() != '[';
  if (bare_v6 || text.find(':') == std::string::npos) {
    if (text.empty()) {
      return MakeError(absl::StatusCode::kInvalidArgument, "ADDRESS_INVALID",
                       "name a TFTP server");
    }
    return ServerTarget{text, kTftpPort};
  }
  SP_ASSIGN_OR_RETURN(auto parts, SplitHostPort(text));
  return ServerTarget{std::move(parts.first), std::move(parts.second)};
}

absl::StatusOr<std::string> FetchCtl(const ServerTarget& server,
                                     absl::Duration patience) {
  SP_ASSIGN_OR_RETURN(const SocketAddress address, ResolveUdp(server));
  return TftpGet(address, kListName, patience);
}

}  // namespace sallyport::cli
