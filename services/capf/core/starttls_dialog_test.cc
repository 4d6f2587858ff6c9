#include "services/capf/core/starttls_dialog.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

TEST(StartTlsDialogTest, Smtp) {
  StartTlsDialog dialog(StartTlsProtocol::kSmtp, "mx.test");
  EXPECT_EQ(dialog.TakeOutput(), "");
  // RFC 3207 section 5, octet by octet.
  for (const char c : std::string("220-one\r\n220 mx.test ESMTP\r\n")) {
    ASSERT_THAT(dialog.OnData(std::string(1, c)), IsOk());
  }
  EXPECT_EQ(dialog.TakeOutput(), "EHLO sallyport.invalid\r\n");
  ASSERT_THAT(dialog.OnData("250-mx.test\r\n250 STARTTLS\r\n"), IsOk());
  EXPECT_EQ(dialog.TakeOutput(), "STARTTLS\r\n");
  EXPECT_FALSE(dialog.done());
  ASSERT_THAT(dialog.OnData("220 go ahead\r\n"), IsOk());
  EXPECT_TRUE(dialog.done());
}

TEST(StartTlsDialogTest, SmtpThatWillNot) {
  StartTlsDialog dialog(StartTlsProtocol::kSmtp, "mx.test");
  ASSERT_THAT(dialog.OnData("220 hi\r\n250 ok\r\n"), IsOk());
  EXPECT_THAT(dialog.OnData("454 not now\r\n"), HasReason("STARTTLS_REFUSED"));
}

TEST(StartTlsDialogTest, Imap) {
  StartTlsDialog dialog(StartTlsProtocol::kImap, "mail.test");
  ASSERT_THAT(dialog.OnData("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n"),
              IsOk());
  EXPECT_EQ(dialog.TakeOutput(), "a STARTTLS\r\n");
  ASSERT_THAT(dialog.OnData("* NOTICE\r\na OK Begin\r\n"), IsOk());
  EXPECT_TRUE(dialog.done());
  for (const char* const no :
       {"* BYE\r\n", "220 hi\r\n", "* OK hi\r\na NO not here\r\n",
        "* OK hi\r\na OK Begin\r\n* injected\r\n"}) {
    StartTlsDialog other(StartTlsProtocol::kImap, "mail.test");
    EXPECT_THAT(other.OnData(no), HasReason("STARTTLS_REFUSED")) << no;
  }
}

TEST(StartTlsDialogTest, Ftp) {
  StartTlsDialog dialog(StartTlsProtocol::kFtp, "ftp.test");
  ASSERT_THAT(dialog.OnData("220-Welcome\r\n to this\r\n220 ftp.test\r\n"),
              IsOk());
  EXPECT_EQ(dialog.TakeOutput(), "AUTH TLS\r\n");
  ASSERT_THAT(dialog.OnData("234 Proceed.\r\n"), IsOk());
  EXPECT_TRUE(dialog.done());
  for (const char* const no : {"421 busy\r\n", "220 hi\r\n530 no\r\n",
                               "220 hi\r\n234 go\r\n230 in\r\n"}) {
    StartTlsDialog other(StartTlsProtocol::kFtp, "ftp.test");
    EXPECT_THAT(other.OnData(no), HasReason("STARTTLS_REFUSED")) << no;
  }
}

// CVE-2011-0411: what comes with the permission was said by anybody.
TEST(StartTlsDialogTest, NothingFollowsInClear) {
  StartTlsDialog dialog(StartTlsProtocol::kSmtp, "mx.test");
  ASSERT_THAT(dialog.OnData("220 hi\r\n250 ok\r\n"), IsOk());
  EXPECT_THAT(dialog.OnData("220 go\r\n250 injected\r\n"),
              HasReason("STARTTLS_REFUSED"));
}

TEST(StartTlsDialogTest, Xmpp) {
  StartTlsDialog dialog(StartTlsProtocol::kXmpp, "im.test");
  EXPECT_NE(dialog.TakeOutput().find("to='im.test'"), std::string::npos);
  ASSERT_THAT(dialog.OnData("<stream:stream id='1'><stream:features><starttls "
                            "xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
              IsOk());
  EXPECT_EQ(dialog.TakeOutput(), "");
  ASSERT_THAT(dialog.OnData("</stream:features>"), IsOk());
  EXPECT_NE(dialog.TakeOutput().find("<starttls"), std::string::npos);
  ASSERT_THAT(
      dialog.OnData("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
      IsOk());
  EXPECT_TRUE(dialog.done());
  StartTlsDialog without(StartTlsProtocol::kXmpp, "im.test");
  EXPECT_THAT(without.OnData("<stream:features></stream:features>"),
              HasReason("STARTTLS_REFUSED"));
}

TEST(StartTlsDialogTest, Ldap) {
  StartTlsDialog dialog(StartTlsProtocol::kLdap, "ldap.test");
  EXPECT_EQ(dialog.TakeOutput().size(), 31u);
  const std::string answer(
      "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00"
      "\x04\x00",
      14);
  ASSERT_THAT(dialog.OnData(answer.substr(0, 5)), IsOk());
  EXPECT_FALSE(dialog.done());
  ASSERT_THAT(dialog.OnData(answer.substr(5)), IsOk());
  EXPECT_TRUE(dialog.done());
  std::string no = answer;
  no[9] = 2;  // protocolError
  StartTlsDialog refused(StartTlsProtocol::kLdap, "ldap.test");
  EXPECT_THAT(refused.OnData(no), HasReason("STARTTLS_REFUSED"));
}

TEST(StartTlsDialogTest, Names) {
  EXPECT_THAT(StartTlsByName("pop3"), HasReason("STARTTLS_UNKNOWN"));
  EXPECT_TRUE(StartTlsDialog(*StartTlsByName(""), "a").done());
}

}  // namespace
}  // namespace sallyport::capf
