#include "services/dialplan/core/tls_context_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class TlsContextRulesTest : public PlanRulesTest {
 protected:
  static TlsContextEntry Context(const std::string& id) {
    TlsContextEntry out;
    out.name = "tenants/t/tlsContexts/" + id;
    return out;
  }
};

// IMP-40: a name of its own, ciphers of its own.
TEST_F(TlsContextRulesTest, CiphersAreThoseThatEdgesSpeak) {
  TlsContextEntry context = Context("c");
  context.configured.tls.ciphers = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                                    "TLS_RSA_WITH_NULL_SHA",
                                    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  EXPECT_THAT(
      Check(context),
      ElementsAre("tls_context.configured.ciphers[1] CIPHER_NOT_AVAILABLE",
                  "tls_context.configured.ciphers[2] DUPLICATE_VALUE"));
  context.configured.tls.ciphers.resize(1);
  context.configured.tls.minimum_version = TlsVersion::kTls13;
  context.configured.tls.maximum_version = TlsVersion::kTls12;
  EXPECT_THAT(Check(context),
              ElementsAre("tls_context.configured.maximum_version "
                          "VALUE_CONFLICT",
                          "tls_context.configured.ciphers VALUE_CONFLICT"));
  context.configured.tls.minimum_version = TlsVersion::kTls12;
  EXPECT_THAT(Check(context), IsEmpty());
}

TEST_F(TlsContextRulesTest, TrustStoresAreThoseOfPeers) {
  TlsContextEntry context = Context("c");
  context.configured.trust_store = "CAPF-trust";
  EXPECT_THAT(Check(context), ElementsAre("tls_context.configured.trust_store "
                                          "TRUST_STORE_NOT_FOR_PEERS"));
  context.configured.trust_store = "cup-trust";
  EXPECT_THAT(Check(context), IsEmpty());
}

// IMP-41: peers are selected, each in one context, and reached over TLS.
TEST_F(TlsContextRulesTest, SelectedPeers) {
  Add(TestPeer("gw", "secured"));
  Add(ClearPeer("pbx", {"192.0.2.1"}));
  TlsContextEntry context = Context("c");
  context.configured.peers = {"tenants/t/peers/gw", "tenants/t/peers/gw",
                              "tenants/t/peers/pbx"};
  EXPECT_THAT(Check(context),
              ElementsAre("tls_context.configured.peers[1] DUPLICATE_VALUE",
                          "tls_context.configured.peers[2] PEER_NOT_SECURED"));
  context.configured.peers.resize(1);
  Add(context);
  TlsContextEntry other = Context("d");
  other.configured.peers = context.configured.peers;
  EXPECT_THAT(
      Check(other),
      ElementsAre("tls_context.configured.peers[0] PEER_IN_OTHER_CONTEXT"));
}

// IMP-42: what is in force is what counts for its peers.
TEST_F(TlsContextRulesTest, PeersGoByWhatIsInForce) {
  PeerEntry peer = TestPeer("gw", "secured");
  Add(peer);
  TlsContextEntry context = Context("c");
  context.configured.peers = {peer.name};
  context.configured.trust_store = "UM-trusted-roots";
  Add(context);
  EXPECT_EQ(plan_.Effective(peer).trust_store, "");
  context.active = context.configured;
  Add(context);
  EXPECT_EQ(plan_.Effective(peer).trust_store, "UM-trusted-roots");
  peer.trust_store = "cup-trust";  // its own goes before it
  EXPECT_EQ(plan_.Effective(peer).trust_store, "cup-trust");
}

}  // namespace
}  // namespace sallyport::dialplan
