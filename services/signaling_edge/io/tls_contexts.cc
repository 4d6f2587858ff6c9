#include "services/signaling_edge/io/tls_contexts.h"

#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/source_prefix.h"

namespace sallyport::signaling_edge {
namespace {

TlsContextOptions OptionsFor(TlsRole role, const TlsFileSet& files,
                             const std::shared_ptr<const TrustBundle>& trust,
                             uint64_t generation) {
  TlsContextOptions options;
  options.role = role;
  options.trust_anchors = trust->any();
  options.client_certificate = files.require_client_certificate
                                   ? ClientCertificateMode::kRequire
                                   : ClientCertificateMode::kRequest;
  options.accept_peer = [trust](const PeerCertificate& peer) {
    return CheckNotRevoked(*trust, peer);
  };
  options.sip_domains = true;
  options.session_tickets = true;
  options.only_tls13 = files.only_tls13;
  options.trace = files.trace;
  options.generation = generation;
  return options;
}

void AppendStamp(const std::string& path, std::string& out) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return absl::StrAppend(&out, "-;");
  absl::StrAppend(&out, status.st_dev, ".", status.st_ino, ".", status.st_size,
                  ".", status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec, ";");
}

// Bits that a prefix fixes, IPv4 counted as the last of an IPv6 address.
int LengthOf(const std::string& prefix) {
  const bool v4 = prefix.find(':') == std::string::npos;
  const size_t slash = prefix.find('/');
  int length = v4 ? 32 : 128;
  if (slash != std::string::npos) {
    (void)absl::SimpleAtoi(prefix.substr(slash + 1), &length);
  }
  return v4 ? 96 + length : length;
}

const TlsContexts::Remote* RemoteOf(const TlsContexts& contexts,
                                    const SocketAddress& remote) {
  for (const TlsContexts::Remote& each : contexts.by_remote) {
    if (InPrefix(remote, each.prefix)) return &each;
  }
  return nullptr;
}

}  // namespace

const std::shared_ptr<const TlsContext>& TlsContexts::ServerFor(
    const SocketAddress& remote) const {
  const Remote* const found = RemoteOf(*this, remote);
  return found == nullptr ? server : found->server;
}

const std::shared_ptr<const TlsContext>& TlsContexts::ClientFor(
    const SocketAddress& remote) const {
  const Remote* const found = RemoteOf(*this, remote);
  return found == nullptr ? client : found->client;
}

absl::Status CheckNotRevoked(const TrustBundle& trust,
                             const PeerCertificate& peer) {
  for (const std::string& der : peer.chain) {
    if (trust.IsRevokedCertificate(der)) {
      return MakeError(absl::StatusCode::kUnauthenticated,
                       "PEER_CERTIFICATE_REVOKED",
                       "the certificate or an authority of it is revoked");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TlsContexts> MakeTlsContexts(
    const TlsFileSet& files, std::shared_ptr<const TrustBundle> trust,
    uint64_t generation) {
  using ByName =
      absl::flat_hash_map<std::string, std::shared_ptr<const TlsContext>>;
  auto named = std::make_shared<ByName>();
  for (const TlsFileSet::Named& each : files.by_server_name) {
    SP_ASSIGN_OR_RETURN(
        (*named)[each.server_name],
        TlsContext::CreateFromFiles(
            each.certificate_file, each.key_file, "",
            OptionsFor(TlsRole::kServer, files, trust, generation)));
  }
  const auto make_server = [&](const std::string& certificate,
                               const std::string& key) {
    TlsContextOptions server =
        OptionsFor(TlsRole::kServer, files, trust, generation);
    if (!named->empty()) {
      server.select_by_server_name =
          [named](std::string_view name) -> std::shared_ptr<const TlsContext> {
        const auto it = named->find(std::string(name));
        return it == named->end() ? nullptr : it->second;
      };
    }
    return TlsContext::CreateFromFiles(certificate, key, "", std::move(server));
  };
  const auto make_client = [&](const std::string& certificate,
                               const std::string& key) {
    return TlsContext::CreateFromFiles(
        certificate, key, "",
        OptionsFor(TlsRole::kClient, files, trust, generation));
  };
  TlsContexts out;
  SP_ASSIGN_OR_RETURN(out.server,
                      make_server(files.certificate_file, files.key_file));
  SP_ASSIGN_OR_RETURN(out.client,
                      make_client(files.certificate_file, files.key_file));
  for (const TlsFileSet::Remote& each : files.by_remote) {
    TlsContexts::Remote& remote = out.by_remote.emplace_back();
    remote.prefix = each.prefix;
    SP_ASSIGN_OR_RETURN(remote.server,
                        make_server(each.certificate_file, each.key_file));
    SP_ASSIGN_OR_RETURN(remote.client,
                        make_client(each.certificate_file, each.key_file));
  }
  std::stable_sort(out.by_remote.begin(), out.by_remote.end(),
                   [](const auto& a, const auto& b) {
                     return LengthOf(a.prefix) > LengthOf(b.prefix);
                   });
  return out;
}

std::string FingerprintOf(const TlsFileSet& files) {
  std::string out;
  AppendStamp(files.certificate_file, out);
  AppendStamp(files.key_file, out);
  for (const TlsFileSet::Named& each : files.by_server_name) {
    AppendStamp(each.certificate_file, out);
    AppendStamp(each.key_file, out);
  }
  for (const TlsFileSet::Remote& each : files.by_remote) {
    AppendStamp(each.certificate_file, out);
    AppendStamp(each.key_file, out);
  }
  return out;
}

}  // namespace sallyport::signaling_edge
