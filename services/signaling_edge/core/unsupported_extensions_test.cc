#include "services/signaling_edge/core/unsupported_extensions.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

std::string Of(std::string_view method, std::string_view headers) {
  const auto message = ParseSipMessage(
      Cat(method,
          " sip:x@d.test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n"
          "Max-Forwards: 70\r\nFrom: <sip:a@d.test>;tag=1\r\n"
          "To: <sip:a@d.test>\r\nCall-ID: c\r\nCSeq: 1 ",
          method, "\r\nContact: <sip:a@h>\r\n", headers,
          "Content-Length: 0\r\n\r\n"),
      ParsePolicy());
  EXPECT_TRUE(message.ok()) << message.status();
  return message.ok() ? UnsupportedExtensions(*message) : "?";
}

TEST(UnsupportedExtensionsTest, WhatCallsMayRequire) {
  EXPECT_EQ(Of("INVITE", ""), "");
  EXPECT_EQ(Of("INVITE", "Require: 100rel, Timer, replaces, tdialog\r\n"), "");
  EXPECT_EQ(Of("INVITE", "Supported: frozen\r\n"), "");
}

TEST(UnsupportedExtensionsTest, AllOthersAreNamedInTheirOrder) {
  EXPECT_EQ(Of("INVITE", "Require: frozen, 100rel\r\nRequire: cold\r\n"),
            "frozen, cold");
  EXPECT_EQ(Of("INVITE", "Proxy-Require: timer\r\nRequire: frozen\r\n"),
            "frozen, timer");
}

TEST(UnsupportedExtensionsTest, RegistersHaveOthers) {
  EXPECT_EQ(Of("REGISTER",
               "Require: path, outbound, gin, gruu\r\n"
               "Proxy-Require: gin\r\n"),
            "");
  EXPECT_EQ(Of("REGISTER", "Require: timer\r\nProxy-Require: path\r\n"),
            "timer, path");
  EXPECT_EQ(Of("INVITE", "Require: path\r\nProxy-Require: gin\r\n"),
            "path, gin");
}

}  // namespace
}  // namespace sallyport::signaling_edge
