#include "services/signaling_edge/cluster_config.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/files/durable_file.h"
#include "services/common/net/socket_address.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::signaling_edge::config::v1;

constexpr size_t kMaxKeyFile = 1024;
constexpr size_t kMaxEdgeId = 255;

// "host:port", "192.0.2.1:7012" or "[2001:db8::1]:7012".
bool IsPeer(const std::string& text) {
  if (SocketAddress::Parse(text).ok()) return true;
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  return colon != std::string::npos && colon > 0 &&
         absl::SimpleAtoi(text.substr(colon + 1), &port) && port > 0 &&
         port <= 65535 && text.find_first_of(" :/[]@") == colon;
}

absl::StatusOr<std::shared_ptr<const TlsContext>> ContextOf(
    const pb::SignalingEdgeConfig& config, TlsRole role) {
  TlsContextOptions options;
  options.role = role;
  options.client_certificate = ClientCertificateMode::kRequire;
  options.only_tls13 = true;
  options.accept_peer = [wanted = ServiceSpiffeId(
                             config.server().trust_domain(), "signaling_edge")](
                            const PeerCertificate& peer) -> absl::Status {
    const auto uris = peer.leaf.AltNames(SubjectAltName::Type::kUri);
    if (std::find(uris.begin(), uris.end(), wanted) != uris.end()) {
      return absl::OkStatus();
    }
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "PEER_IDENTITY_MISMATCH", "it is no edge of ours");
  };
  const auto& files = config.server().tls();
  return TlsContext::CreateFromFiles(files.certificate_file(), files.key_file(),
                                     files.ca_file(), std::move(options));
}

}  // namespace

void CheckCluster(const pb::SignalingEdgeConfig& config, ConfigFaults* faults) {
  const pb::ClusterConfig& cluster = config.cluster();
  if (!config.has_cluster()) return;
  faults->Require("cluster.listen_address", cluster.listen_address());
  if (!cluster.listen_address().empty() &&
      !SocketAddress::Parse(cluster.listen_address()).ok()) {
    faults->Add("cluster.listen_address", "must be an IP address and a port");
  }
  faults->Require("token_key_file", config.token_key_file());
  if (cluster.edge_id().size() > kMaxEdgeId) {
    faults->Add("cluster.edge_id", "is longer than 255 octets");
  }
  for (int i = 0; i < cluster.peers_size(); ++i) {
    if (!IsPeer(cluster.peers(i))) {
      faults->Add(absl::StrCat("cluster.peers[", i, "]"),
                  "must be a name or IP address, and a port");
    }
  }
}

std::string EdgeIdOf(const pb::SignalingEdgeConfig& config,
                     const std::string& instance) {
  return config.cluster().edge_id().empty() ? instance.substr(0, kMaxEdgeId)
                                            : config.cluster().edge_id();
}

absl::StatusOr<std::shared_ptr<const TokenKeys>> TokenKeysOf(
    const pb::SignalingEdgeConfig& config, RandomSource& random) {
  const std::string& file = config.token_key_file();
  if (file.empty()) return TokenKeys::Random(random);
  absl::StatusOr<std::string> text = ReadWholeFile(file, kMaxKeyFile);
  if (absl::IsNotFound(text.status()) && !config.has_cluster()) {
    const Secret fresh = Secret::Random(random, kTokenKeySize);
    SP_RETURN_IF_ERROR(WriteDurableFile(file, fresh.DangerousText()));
    return TokenKeys::Parse(fresh.DangerousText());
  }
  SP_RETURN_IF_ERROR(text.status());
  auto keys = TokenKeys::Parse(*text);
  Cleanse(*text);
  return keys;
}

absl::StatusOr<std::optional<ClusterHub::Options>> ClusterOptionsOf(
    const pb::SignalingEdgeConfig& config) {
  if (!config.has_cluster()) return std::nullopt;
  ClusterHub::Options out;
  SP_ASSIGN_OR_RETURN(out.listen,
                      SocketAddress::Parse(config.cluster().listen_address()));
  out.peers.assign(config.cluster().peers().begin(),
                   config.cluster().peers().end());
  out.tls_refresh =
      FromProtoOr(config.server().tls_refresh_interval(), out.tls_refresh);
  if (config.cluster().protocol() == pb::CLUSTER_PROTOCOL_TCP) {
    out.make_tls = [] { return ClusterHub::Tls(); };
    return out;
  }
  out.make_tls = [config]() -> absl::StatusOr<ClusterHub::Tls> {
    ClusterHub::Tls tls;
    SP_ASSIGN_OR_RETURN(tls.server, ContextOf(config, TlsRole::kServer));
    SP_ASSIGN_OR_RETURN(tls.client, ContextOf(config, TlsRole::kClient));
    return tls;
  };
  SP_RETURN_IF_ERROR(out.make_tls().status());
  return out;
}

}  // namespace sallyport::signaling_edge
