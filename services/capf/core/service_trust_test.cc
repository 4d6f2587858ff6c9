#include "services/capf/core/service_trust.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/trust_store.h"

namespace sallyport::capf {
namespace {

std::string Text(std::string_view view) { return std::string(view); }

// The documents' tables, written down a second time.
TEST(ServiceTrustTest, AsTheDocumentsHaveThem) {
  std::vector<std::string> rows;
  for (const ServiceTrust& one : ServiceTrusts()) {
    rows.push_back(absl::StrCat(one.is_client ? "client " : "",
                                Text(one.service), ": ", Text(one.certificate),
                                "; ", Text(one.trust_store)));
  }
  EXPECT_THAT(rows,
              testing::ElementsAre(
                  "client SIP client: tomcat; ",                      // IMP-07
                  "client XMPP client: cup-xmpp; ",                   // IMP-08
                  "SIP Proxy: cup; cup-trust",                        // IMP-09
                  "Presence Engine: cup; cup-trust",                  // IMP-10
                  "SOAP: tomcat; directory-trust",                    // IMP-11
                  "AXL: tomcat; directory-trust",                     // IMP-12
                  "LDAP: tomcat; directory-trust",                    // IMP-13
                  "Microsoft Exchange: ; cup-trust",                  // IMP-14
                  "Microsoft OCS/LCS call control: cup; cup-trust",   // IMP-15
                  "SIP federation: cup; cup-trust",                   // IMP-16
                  "XMPP federation: cup-xmpp-s2s; cup-xmpp-trust"));  // IMP-17
}

TEST(ServiceTrustTest, EveryStoreIsThere) {
  for (const ServiceTrust& one : ServiceTrusts()) {
    for (const std::string_view id : {one.certificate, one.trust_store}) {
      if (!id.empty()) {
        EXPECT_NE(FindTrustStoreKind(id), nullptr) << id;
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::capf
