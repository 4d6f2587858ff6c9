#include "services/common/pki/known_peers.h"

#include "gtest/gtest.h"

namespace sallyport {
namespace {

// UM-128: the list. UM-89: the computer V3 template for Dialogic 2000 and 4000;
// the web server template also for Dialogic 1000 and 3000, AudioCodes and OCS
// 2007.
TEST(KnownPeers, Um89) {
  EXPECT_TRUE(FindKnownPeer("Dialogic", "DMG2000").wants_client_auth);
  EXPECT_TRUE(FindKnownPeer("dialogic corp", "2060DTI").wants_client_auth);
  EXPECT_TRUE(FindKnownPeer("Dialogic", "DMG 4030").wants_client_auth);
  EXPECT_FALSE(FindKnownPeer("Dialogic", "DMG1008DNIW").wants_client_auth);
  EXPECT_FALSE(FindKnownPeer("DIALOGIC", "3000").wants_client_auth);
  EXPECT_FALSE(FindKnownPeer("AudioCodes", "MediaPack 118").wants_client_auth);
  EXPECT_FALSE(
      FindKnownPeer("Microsoft", "Office Communications Server 2007 R2")
          .wants_client_auth);
  EXPECT_EQ(FindKnownPeer("Dialogic", "DMG2000").name, "Dialogic 2000");
}

// UM-90: an unknown vendor defaults to the stricter rule.
TEST(KnownPeers, Um90) {
  EXPECT_TRUE(FindKnownPeer("", "").wants_client_auth);
  EXPECT_TRUE(FindKnownPeer("Acme", "1000").wants_client_auth);
  EXPECT_TRUE(FindKnownPeer("Dialogic", "").wants_client_auth);
  EXPECT_TRUE(FindKnownPeer("Microsoft", "Lync").wants_client_auth);
}

}  // namespace
}  // namespace sallyport
