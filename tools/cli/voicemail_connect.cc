#include "tools/cli/voicemail_connect.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/capf/core/trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/random/system_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/ctl_cache.h"
#include "tools/cli/ctl_text.h"
#include "tools/cli/sccp_client.h"
#include "tools/cli/table.h"
#include "tools/cli/tls_connection.h"
#include "tools/cli/voicemail_servers.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr absl::Duration kPatience = absl::Seconds(5);

std::string ShortOf(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

std::string Words(const absl::Status& status) {
  return absl::StrCat(
      ReasonOf(status), ": ",
      Printable(std::string(status.message().data(), status.message().size())));
}

// An id such as the records of the documents have.
std::string ObjectId(const std::string& name) {
  const Sha1Digest digest = Sha1(AsBytes(name));
  return HexEncode(ByteSpan(digest.data(), 16));
}

// One run. Thread-compatible.
class Connector {
 public:
  Connector(const VoicemailConnectOptions& options, std::ostream& trace)
      : options_(options),
        trace_(trace),
        group_(ShortOf(options.group.name())),
        cache_(options.cache_folder) {}

  absl::Status Run() {
    absl::Status status;
    for (int attempt = 1; attempt <= options_.attempts; ++attempt) {
      if (attempt > 1) absl::SleepFor(kCtlRetry);
      status = Attempt();
      // Only what a new list may mend is worth another try.
      if (status.ok() || ReasonOf(status) != "CERTIFICATE_NOT_IN_CTL") break;
    }
    return status;
  }

 private:
  void Line(std::string_view module, std::string_view text) {
    trace_ << module << ": " << text << "\n" << std::flush;
  }

  // Ours is shown, and nothing but `certificate` is trusted: another one gets
  // the alert unknown_ca (CUC-69, CUC-71).
  absl::StatusOr<std::shared_ptr<const TlsContext>> ContextFor(
      const std::string& certificate) const {
    TlsContextOptions tls;
    tls.role = TlsRole::kClient;
    SP_ASSIGN_OR_RETURN(tls.trust_anchors,
                        TrustAnchors::FromDer({certificate}));
    return TlsContext::CreateFromFiles(options_.certificate_file,
                                       options_.key_file, "", std::move(tls));
  }

  absl::Status Attempt() {
    SP_ASSIGN_OR_RETURN(const capf::ParsedTrustList list, LoadList());
    const std::vector<ServerTarget> managers = CallManagersOf(options_.group);
    if (managers.empty()) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "CALL_MANAGER_MISSING",
                       "the port group names no call manager");
    }
    absl::Status status;
    for (const ServerTarget& manager : managers) {
      status = ConnectTo(manager, list.list);
      if (status.ok()) return status;
      Line("connect", absl::StrCat(manager.text(), " ", Words(status)));
    }
    return status;
  }

  // CUC-06, CUC-07: from the cache, else once from the first server that has
  // it.
  absl::StatusOr<capf::ParsedTrustList> LoadList() {
    const std::vector<ServerTarget> servers = TftpServersOf(options_.group);
    for (const ServerTarget& server : servers) {
      const auto cached = cache_.Read(server.text());
      if (!cached.ok()) continue;
      Line("MiuGeneral,24",
           absl::StrCat("local CTL file [", cache_.PathOf(server.text()),
                        "] found"));
      return capf::VerifyTrustList(AsBytes(*cached));
    }
    const std::string failed =
        absl::StrCat("port group ", group_,
                     " InService(true) FAILED: error retrieving server "
                     "certificates");
    absl::Status last =
        MakeError(absl::StatusCode::kFailedPrecondition, "TFTP_SERVER_MISSING",
                  "the port group names no TFTP server");
    for (const ServerTarget& server : servers) {
      const auto list = FetchCtl(server, kPatience);
      if (list.ok()) {
        SP_ASSIGN_OR_RETURN(capf::ParsedTrustList parsed,
                            capf::VerifyTrustList(AsBytes(*list)));
        SP_RETURN_IF_ERROR(cache_.Write(server.text(), *list));
        Line("MiuGeneral,24",
             absl::StrCat("CTL file of ", server.text(), " taken to [",
                          cache_.PathOf(server.text()), "]"));
        return parsed;
      }
      last = list.status();
      // The document has its record before and after that of TFTP.
      Line("MiuGeneral,25", failed);
      Line("MiuGeneral,25",
           absl::StrCat("TFTP fetch of tftp://", server.text(),
                        "/CTLFile.tlv ended with ",
                        ReasonOf(last) == "TFTP_FILE_NOT_FOUND"
                            ? "res=68 (file not found on server)"
                            : Words(last)));
    }
    Line("MiuGeneral,25", failed);
    int number = 0;
    for (const std::string& port : Ports()) {
      ++number;
      Line("Arbiter,-1",
           absl::StrCat("port ", group_, "-", Padded(number),
                        " created, objectId=", ObjectId(port), " ID=", number));
      Line("MiuGeneral,25",
           absl::StrCat("port group object ", ObjectId(options_.group.name()),
                        " exists"));
      Line("MiuGeneral,25",
           absl::StrCat("port ", group_, "-", Padded(number),
                        " SetInService=true FAILED: its parent port group is "
                        "out of service"));
    }
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "PORT_GROUP_OUT_OF_SERVICE",
                     absl::StrCat("no trust list: ", Words(last)));
  }

  static std::string Padded(int number) {
    const std::string text = absl::StrCat(number);
    return std::string(text.size() < 3 ? 3 - text.size() : 0, '0') + text;
  }

  std::vector<std::string> Ports() const {
    if (!options_.ports.empty()) return options_.ports;
    std::vector<std::string> out;
    for (const pb::VoicemailPort& port : options_.group.ports()) {
      if (!port.disabled()) out.push_back(port.device_name());
    }
    return out;
  }

  // CUC-77 to CUC-80.
  absl::Status NotInList(const ServerTarget& manager) {
    Line("MiuGeneral,25",
         absl::StrCat("certificate cache: CCM server ", manager.host,
                      " is not in the CTL file"));
    Line("MiuSkinny,23", absl::StrCat("failed to retrieve the certificate of "
                                      "CCM server ",
                                      manager.host));
    Line("MiuSkinny,23",
         absl::StrCat("no CCM certificate could be extracted, registration "
                      "cannot proceed; retry timer ",
                      absl::ToInt64Milliseconds(kCtlRetry), " ms starts"));
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "CERTIFICATE_NOT_IN_CTL",
        absl::StrCat("the trust list has no certificate of ", manager.host));
  }

  // CUC-08, CUC-10, CUC-12.
  absl::Status ConnectTo(const ServerTarget& manager,
                         const capf::TrustList& list) {
    const capf::TrustListRecord* const record =
        FindCallManager(list, manager.host);
    if (record == nullptr || record->certificate.empty()) {
      return NotInList(manager);
    }
    SP_ASSIGN_OR_RETURN(context_, ContextFor(record->certificate));
    auto connected =
        TlsConnection::Connect(manager.host, manager.port, context_, kPatience);
    if (ReasonOf(connected.status()) == "PEER_CERTIFICATE_UNTRUSTED") {
      Line("TLS", absl::StrCat("sent unknown_ca: ", manager.text(),
                               " shows another certificate than the CTL file "
                               "has of it; refresh or purge the list"));
    }
    SP_ASSIGN_OR_RETURN(std::unique_ptr<TlsConnection> connection,
                        std::move(connected));
    const TlsSession& session = connection->session();
    Line("TLS", absl::StrCat("connected to ", manager.text(), ", ",
                             session.version(), " ", session.cipher(),
                             ", certificate as in the CTL file: ",
                             Printable(session.peer()->leaf.subject)));
    const bool sccp =
        options_.group.integration() == pb::VOICEMAIL_INTEGRATION_SCCP;
    return sccp ? Register(manager, std::move(connection))
                : AskByOptions(manager, std::move(connection));
  }

  absl::Status Register(const ServerTarget& manager,
                        std::unique_ptr<TlsConnection> first) {
    std::vector<std::unique_ptr<SccpClient>> clients;
    for (const std::string& port : Ports()) {
      if (first == nullptr) {
        SP_ASSIGN_OR_RETURN(
            first, TlsConnection::Connect(manager.host, manager.port, context_,
                                          kPatience));
      }
      clients.push_back(std::make_unique<SccpClient>(std::move(first)));
      SP_RETURN_IF_ERROR(clients.back()->Register(port));
      Line("MiuSkinny,24",
           absl::StrCat("port ", port, " registered with ", manager.text()));
    }
    Line("MiuGeneral,24",
         absl::StrCat("port group ", group_, " InService(true)"));
    const absl::Time until = absl::Now() + options_.hold;
    for (const auto& client : clients) {
      SP_RETURN_IF_ERROR(client->Hold(until));
    }
    for (const auto& client : clients) {
      SP_RETURN_IF_ERROR(client->Unregister());
    }
    return absl::OkStatus();
  }

  absl::Status AskByOptions(const ServerTarget& manager,
                            std::unique_ptr<TlsConnection> connection) {
    uint8_t random[8];
    SystemRandom().Fill(absl::MakeSpan(random));
    const std::string id = HexEncode(ByteSpan(random, sizeof(random)));
    SP_RETURN_IF_ERROR(connection->Write(AsBytes(absl::StrCat(
        "OPTIONS sip:", manager.host, ":", manager.port,
        ";transport=tls SIP/2.0\r\n"
        "Via: SIP/2.0/TLS voicemail.invalid;branch=z9hG4bK",
        id, "\r\nMax-Forwards: 70\r\nFrom: <sip:voicemail.invalid>;tag=", id,
        "\r\nTo: <sip:", manager.host, ">\r\nCall-ID: ", id,
        "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"))));
    SP_ASSIGN_OR_RETURN(const std::string answer, connection->Read());
    const std::string status = answer.substr(0, answer.find('\r'));
    if (answer.rfind("SIP/2.0 ", 0) != 0) {
      return MakeError(absl::StatusCode::kUnavailable, "OPTIONS_NOT_ANSWERED",
                       "no SIP came back");
    }
    Line("MiuSIP,24",
         absl::StrCat("OPTIONS to ", manager.text(), ": ", Printable(status)));
    if (status.rfind("SIP/2.0 503", 0) == 0 ||
        status.rfind("SIP/2.0 408", 0) == 0) {
      return MakeError(absl::StatusCode::kUnavailable, "PEER_OUT_OF_SERVICE",
                       status);
    }
    Line("MiuGeneral,24",
         absl::StrCat("port group ", group_, " InService(true)"));
    absl::SleepFor(options_.hold);
    return absl::OkStatus();
  }

  const VoicemailConnectOptions& options_;
  std::ostream& trace_;
  const std::string group_;
  const CtlCache cache_;
  std::shared_ptr<const TlsContext> context_;
};

}  // namespace

absl::Status ConnectVoicemail(const VoicemailConnectOptions& options,
                              std::ostream& trace) {
  return Connector(options, trace).Run();
}

}  // namespace sallyport::cli
