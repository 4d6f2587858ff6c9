#include "services/dialplan/core/tls_context_rules.h"

#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/tls_suites.h"
#include "services/dialplan/core/peer_security_rules.h"

namespace sallyport::dialplan {
namespace {

void CheckPeers(const RuleContext& c, const TlsContextEntry& context) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < context.configured.peers.size(); ++i) {
    const std::string& peer = context.configured.peers[i];
    const std::string field = ItemPath("tls_context.configured.peers", i);
    if (!seen.insert(peer).second) {
      c.Add(field, "DUPLICATE_VALUE", "it is given twice");
    }
    for (const std::string& name : c.plan.ReferrersOf(peer)) {
      if (name == context.name ||
          c.plan.Get<TlsContextEntry>(name) == nullptr) {
        continue;
      }
      c.Add(field, "PEER_IN_OTHER_CONTEXT",
            absl::StrCat(peer, " is selected in ", name));
    }
    const PeerEntry* entry = c.plan.Get<PeerEntry>(peer);
    if (entry != nullptr &&
        c.plan.Effective(*entry).transport != SipTransport::kTls) {
      c.Add(field, "PEER_NOT_SECURED",
            absl::StrCat(peer, " is reached in clear"));
    }
  }
}

}  // namespace

void CheckTlsContext(const RuleContext& c, const TlsContextEntry& context) {
  const TlsContextSettings& set = context.configured;
  CheckPeers(c, context);
  if (!set.trust_store.empty() && !IsPeerTrustStore(set.trust_store)) {
    c.Add("tls_context.configured.trust_store", "TRUST_STORE_NOT_FOR_PEERS",
          "peers are judged by CallManager-trust, UM-trusted-roots or "
          "cup-trust");
  }
  std::set<std::string_view> ciphers;
  for (size_t i = 0; i < set.tls.ciphers.size(); ++i) {
    const std::string field = ItemPath("tls_context.configured.ciphers", i);
    if (FindTlsSuite(set.tls.ciphers[i]) == nullptr) {
      c.Add(
          field, "CIPHER_NOT_AVAILABLE",
          "no suite of TLS 1.2 that edges speak; they are TLS_ECDHE_ECDSA_ or "
          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, AES_256_GCM_SHA384 or "
          "CHACHA20_POLY1305_SHA256");
    } else if (!ciphers.insert(set.tls.ciphers[i]).second) {
      c.Add(field, "DUPLICATE_VALUE", "it is given twice");
    }
  }
  if (set.tls.maximum_version != TlsVersion::kUnset &&
      set.tls.maximum_version < set.tls.minimum_version) {
    c.Add("tls_context.configured.maximum_version", "VALUE_CONFLICT",
          "it is below minimum_version");
  }
  if (!set.tls.ciphers.empty() &&
      set.tls.minimum_version == TlsVersion::kTls13) {
    c.Add("tls_context.configured.ciphers", "VALUE_CONFLICT",
          "they are of TLS 1.2, which minimum_version excludes");
  }
}

}  // namespace sallyport::dialplan
