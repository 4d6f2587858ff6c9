#include "services/signaling_edge/core/sip_message.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

std::vector<std::string> Fields(const SipMessage& message) {
  std::vector<std::string> fields;
  for (size_t i = 0; i < message.header_count(); ++i) {
    const SipMessage::Header header = message.header(i);
    fields.push_back(std::string(header.name) + "=" +
                     std::string(header.value));
  }
  return fields;
}

TEST(SipMessageTest, RequestAndResponse) {
  const SipMessage request =
      SipMessage::Request(SipMethod::kInvite, "sip:a@example.com");
  EXPECT_TRUE(request.is_request());
  EXPECT_EQ(request.method(), SipMethod::kInvite);
  EXPECT_EQ(request.method_text(), "INVITE");
  EXPECT_EQ(request.request_uri(), "sip:a@example.com");

  const SipMessage response = SipMessage::Response(486, "Busy Here");
  EXPECT_TRUE(response.is_response());
  EXPECT_EQ(response.status_code(), 486);
  EXPECT_EQ(response.reason_phrase(), "Busy Here");
  EXPECT_EQ(response.method(), SipMethod::kOther);

  EXPECT_EQ(SipMessage::Request("NEWMETHOD", "sip:a").method(),
            SipMethod::kOther);
}

TEST(SipMessageTest, AddSetRemoveKeepOrder) {
  SipMessage message = SipMessage::Request(SipMethod::kOptions, "sip:a");
  message.Add(HeaderId::kVia, "v1");
  message.Add(HeaderId::kTo, "t");
  message.Add(HeaderId::kVia, "v2");
  message.AddNamed("X-Test", "x");
  message.AddNamed("f", "from");  // a compact name is the known field
  message.AddFirst(HeaderId::kVia, "v0");
  message.AddFirst(HeaderId::kRoute, "r");
  EXPECT_EQ(Fields(message),
            (std::vector<std::string>{"Route=r", "Via=v0", "Via=v1", "To=t",
                                      "Via=v2", "X-Test=x", "From=from"}));
  EXPECT_EQ(message.Count(HeaderId::kVia), 3u);

  message.Set(HeaderId::kVia, "only");
  message.SetUint(HeaderId::kMaxForwards, 70);
  EXPECT_EQ(Fields(message),
            (std::vector<std::string>{"Route=r", "Via=only", "To=t", "X-Test=x",
                                      "From=from", "Max-Forwards=70"}));
  EXPECT_EQ(message.Remove(HeaderId::kVia), 1u);
  EXPECT_EQ(message.Remove(HeaderId::kVia), 0u);
  EXPECT_EQ(message.RemoveNamed("x-TEST"), 1u);
  EXPECT_FALSE(message.FirstNamed("X-Test"));
  EXPECT_EQ(message.FirstNamed("t"), "t");
}

TEST(SipMessageTest, AbsentIsNotEmpty) {
  SipMessage message = SipMessage::Request(SipMethod::kOptions, "sip:a");
  EXPECT_FALSE(message.First(HeaderId::kSupported));
  EXPECT_EQ(message.Value(HeaderId::kSupported), "");
  message.Add(HeaderId::kSupported, "");
  EXPECT_EQ(message.First(HeaderId::kSupported), "");
  EXPECT_TRUE(message.Has(HeaderId::kSupported));
}

TEST(SipMessageTest, ItemsSplitListsAcrossFields) {
  SipMessage message = SipMessage::Request(SipMethod::kOptions, "sip:a");
  message.Add(HeaderId::kRoute, "<sip:a;lr>, <sip:b,c;lr>");
  message.Add(HeaderId::kRoute, "<sip:d;lr>");
  const SipMessage::Values items = message.Items(HeaderId::kRoute);
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[1], "<sip:b,c;lr>");
  EXPECT_EQ(items[2], "<sip:d;lr>");
  EXPECT_EQ(message.All(HeaderId::kRoute).size(), 2u);
}

TEST(SipMessageTest, RemoveFirstItemTakesOneElement) {
  SipMessage message = SipMessage::Request(SipMethod::kOptions, "sip:a");
  message.Add(HeaderId::kVia, "a ,  b");
  message.Add(HeaderId::kVia, "c");
  EXPECT_TRUE(message.RemoveFirstItem(HeaderId::kVia));
  EXPECT_EQ(Fields(message), (std::vector<std::string>{"Via=b", "Via=c"}));
  EXPECT_TRUE(message.RemoveFirstItem(HeaderId::kVia));
  EXPECT_EQ(Fields(message), std::vector<std::string>{"Via=c"});
  EXPECT_TRUE(message.RemoveFirstItem(HeaderId::kVia));
  EXPECT_FALSE(message.RemoveFirstItem(HeaderId::kVia));
}

// Hardening: text that came escaped in a URI must not become a field.
TEST(SipMessageTest, SettersTakeNoLineBreak) {
  SipMessage message =
      SipMessage::Request(SipMethod::kOptions, "sip:a\r\nX-Evil: 1");
  message.Add(HeaderId::kSubject, std::string("a\r\nX-Evil: 2\0b", 14));
  message.AddNamed("X-A\r\nB", "c");
  EXPECT_EQ(message.request_uri(), "sip:a  X-Evil: 1");
  EXPECT_EQ(message.Value(HeaderId::kSubject), "a  X-Evil: 2 b");
  EXPECT_EQ(message.header(1).name, "X-A  B");
}

TEST(SipMessageTest, TakesViewsOfItself) {
  SipMessage message = SipMessage::Request(SipMethod::kOptions, "sip:a");
  message.AddNamed("X-Long-Name-Of-A-Field", std::string(100, 'v'));
  for (int i = 0; i < 100; ++i) {  // the buffer moves several times
    const SipMessage::Header last = message.header(message.header_count() - 1);
    message.AddNamed(last.name, last.value);
  }
  const SipMessage::Header last = message.header(100);
  EXPECT_EQ(last.name, "X-Long-Name-Of-A-Field");
  EXPECT_EQ(last.value, std::string(100, 'v'));
}

TEST(SipMessageTest, BodyIsBinary) {
  SipMessage message = SipMessage::Request(SipMethod::kMessage, "sip:a");
  const std::string body("a\0\r\n\xff", 5);
  message.SetBody(body);
  EXPECT_EQ(message.body(), body);
  message.SetBody("");
  EXPECT_EQ(message.body(), "");
}

TEST(SipMessageTest, CopiesAndMovesKeepTheirText) {
  SipMessage message = SipMessage::Request(SipMethod::kBye, "sip:a");
  message.Add(HeaderId::kTo, "t");
  SipMessage copy = message;
  message.Set(HeaderId::kTo, "other");
  EXPECT_EQ(copy.Value(HeaderId::kTo), "t");
  const SipMessage moved = std::move(copy);
  EXPECT_EQ(moved.Value(HeaderId::kTo), "t");
  EXPECT_EQ(moved.method_text(), "BYE");
}

TEST(SipMessageTest, TheFirstItemOfAListIsReadAndReplaced) {
  SipMessage request = SipMessage::Request(SipMethod::kOptions, "sip:x@y");
  EXPECT_EQ(request.FirstItem(HeaderId::kVia), "");
  request.ReplaceFirstItem(HeaderId::kVia, "SIP/2.0/UDP a");  // there is none
  EXPECT_EQ(request.Value(HeaderId::kVia), "SIP/2.0/UDP a");
  request.Add(HeaderId::kVia, "SIP/2.0/UDP z");
  request.ReplaceFirstItem(HeaderId::kVia, "SIP/2.0/UDP b, SIP/2.0/UDP c");
  EXPECT_EQ(request.FirstItem(HeaderId::kVia), "SIP/2.0/UDP b");
  request.ReplaceFirstItem(HeaderId::kVia, "SIP/2.0/UDP d");
  EXPECT_THAT(
      request.Items(HeaderId::kVia),
      testing::ElementsAre("SIP/2.0/UDP d", "SIP/2.0/UDP c", "SIP/2.0/UDP z"));
  // What is set may be a view of what is replaced.
  request.ReplaceFirstItem(HeaderId::kVia, request.FirstItem(HeaderId::kVia));
  EXPECT_EQ(request.FirstItem(HeaderId::kVia), "SIP/2.0/UDP d");
}

TEST(SipMessageTest, NoControlCharacterComesIn) {
  SipMessage request = SipMessage::Request(SipMethod::kOptions, "sip:x@y");
  for (size_t at = 0; at < 20; ++at) {
    for (const char c : {'\0', '\n', '\r', '\x1f', '\x7f'}) {
      std::string text(20, 'a');
      text[at] = c;
      std::string clean(20, 'a');
      clean[at] = ' ';
      request.Set(HeaderId::kSubject, "x" + text + "x");
      EXPECT_EQ(request.Value(HeaderId::kSubject), "x" + clean + "x");
    }
  }
  request.Set(HeaderId::kSubject, "a\tb\xc3\xa9");
  EXPECT_EQ(request.Value(HeaderId::kSubject), "a\tb\xc3\xa9");
}

}  // namespace
}  // namespace sallyport::signaling_edge
