#include "services/capf/core/certificate_names.h"

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

TEST(CertificateNamesTest, DnsNames) {
  for (const char* good : {"localhost", "edge.example.test", "a-b.c9",
                           "1and1.example", "xn--bcher-kva.example"}) {
    EXPECT_TRUE(IsDnsName(good)) << good;
  }
  for (const char* bad :
       {"", ".", "a.", ".a", "a..b", "*.example.test", "Edge.example.test",
        "-a.b", "a-.b", "a_b.c", "a b", "10.0.0.1", "example.1", "a/b"}) {
    EXPECT_FALSE(IsDnsName(bad)) << bad;
  }
  EXPECT_TRUE(IsDnsName(std::string(63, 'a')));
  EXPECT_FALSE(IsDnsName(std::string(64, 'a')));
  std::string long_name;
  while (long_name.size() < 254) long_name += "abc.";
  EXPECT_FALSE(IsDnsName(long_name + "d"));
  EXPECT_FALSE(IsDnsName(std::string("a\0b", 3)));
}

// RFC 5922 section 7.1: a URI that names a domain has no user part.
TEST(CertificateNamesTest, SipUris) {
  EXPECT_TRUE(IsSipDomainUri("sip:example.test"));
  EXPECT_TRUE(IsSipDomainUri("sips:example.test"));
  for (const char* bad :
       {"sip:", "sip:alice@example.test", "sip:example.test:5061",
        "sip:example.test;transport=tls", "http:example.test", "example.test",
        "SIP:example.test"}) {
    EXPECT_FALSE(IsSipDomainUri(bad)) << bad;
  }
}

TEST(CertificateNamesTest, SpiffeUris) {
  EXPECT_TRUE(IsSpiffeUri("spiffe://demo.sallyport.test/capf"));
  EXPECT_TRUE(IsSpiffeUri("spiffe://td/operator/Ann-1"));
  for (const char* bad :
       {"spiffe://td", "spiffe:///capf", "spiffe://td/", "spiffe://td/a//b",
        "spiffe://td/a/", "spiffe://td/..", "spiffe://td/./a",
        "spiffe://TD/capf", "spiffe://td:1/capf", "spiffe://td/a?b",
        "spiffe://td/a%20b", "https://td/a"}) {
    EXPECT_FALSE(IsSpiffeUri(bad)) << bad;
  }
}

TEST(CertificateNamesTest, DeviceNamesAreNoHostNames) {
  EXPECT_TRUE(IsDeviceName("SEP58971ECC97C1"));
  EXPECT_TRUE(IsDeviceName("CSF_user-1"));
  for (const char* bad : {"", "gw.example.test", "SEP 1", "SEP\x01", "S/EP"}) {
    EXPECT_FALSE(IsDeviceName(bad)) << bad;
  }
  EXPECT_FALSE(IsDeviceName(std::string(65, 'A')));
}

TEST(CertificateNamesTest, SubjectsArePrintableUtf8) {
  EXPECT_TRUE(CheckSubjectName({.country = "DE",
                                .locality = "M\xc3\xbcnchen",
                                .common_name = "edge"})
                  .ok());
  const SubjectName bad[] = {
      {.country = "DEU"},
      {.country = "de"},
      {.common_name = std::string(65, 'a')},
      {.organization = std::string(65, 'a')},
      {.state = std::string(129, 'a')},
      {.common_name = "a\nb"},
      {.common_name = std::string("a\0b", 3)},
      {.common_name = "\xff"},
      {.common_name = "\xc3"},
      {.common_name = "\xed\xa0\x80"},  // a surrogate
      {.common_name = "\xe0\x80\x80"},  // overlong
  };
  for (const SubjectName& name : bad) {
    EXPECT_EQ(ReasonOf(CheckSubjectName(name)), "SUBJECT_INVALID");
  }
}

}  // namespace
}  // namespace sallyport::capf
