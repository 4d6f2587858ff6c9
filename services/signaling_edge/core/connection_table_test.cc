#include "services/signaling_edge/core/connection_table.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

TEST(ConnectionTableTest, IdsNeverComeAgain) {
  ConnectionTable table;
  const ConnectionId first = table.Add(At("192.0.2.1:1"), true, {}).id;
  table.Remove(first);
  const ConnectionId second = table.Add(At("192.0.2.1:1"), true, {}).id;
  EXPECT_NE(first, 0u);
  EXPECT_NE(first, second);
  EXPECT_EQ(table.Find(first), nullptr);
  ASSERT_NE(table.Find(second), nullptr);
  EXPECT_EQ(table.Find(second)->id, second);
  table.Remove(first);  // a second time: nothing
  EXPECT_EQ(table.size(), 1u);
}

TEST(ConnectionTableTest, CountsIncomingOnesByAddress) {
  ConnectionTable table;
  const ConnectionId a = table.Add(At("192.0.2.1:1"), true, {}).id;
  table.Add(At("192.0.2.1:2"), true, {});
  table.Add(At("192.0.2.1:5061"), false, {});
  table.Add(At("192.0.2.2:1"), true, {});
  EXPECT_EQ(table.CountFrom(At("192.0.2.1:9")), 2u);
  table.Remove(a);
  EXPECT_EQ(table.CountFrom(At("192.0.2.1:9")), 1u);
  EXPECT_EQ(table.CountFrom(At("192.0.2.3:9")), 0u);
  EXPECT_EQ(table.All().size(), 3u);
}

// Whoever has one IPv6 address has the other 2^64 of its network too.
TEST(ConnectionTableTest, CountsAnIpv6NetworkAsOneSource) {
  ConnectionTable table;
  const ConnectionId a = table.Add(At("[2001:db8:1:2::1]:1"), true, {}).id;
  table.Add(At("[2001:db8:1:2:ffff::9]:1"), true, {});
  table.Add(At("[2001:db8:1:3::1]:1"), true, {});
  table.Add(At("[::ffff:192.0.2.1]:1"), true, {});
  EXPECT_EQ(table.CountFrom(At("[2001:db8:1:2::7]:1")), 2u);
  EXPECT_EQ(table.CountFrom(At("192.0.2.1:9")), 1u);
  EXPECT_EQ(table.CountFrom(At("192.0.2.2:9")), 0u);
  table.Remove(a);
  EXPECT_EQ(table.CountFrom(At("[2001:db8:1:2::7]:1")), 1u);
}

TEST(ConnectionTableTest, FindsWhatWasDialled) {
  ConnectionTable table;
  const std::string gw = "tenants/t/peers/gw";
  const std::vector<SocketAddress> both = {At("192.0.2.1:5061"),
                                           At("192.0.2.9:5061")};
  Connection& old = table.Add(both[0], false, {});
  table.NoteDialled(old, gw);
  const ConnectionId old_id = old.id;
  EXPECT_EQ(table.DialledTo(gw, both), &old);
  // One for each of its servers.
  Connection& other = table.Add(both[1], false, {});
  table.NoteDialled(other, gw);
  EXPECT_EQ(table.DialledTo(gw, {both[0]}), &old);
  EXPECT_EQ(table.DialledTo(gw, {both[1]}), &other);
  EXPECT_EQ(table.DialledTo(gw, {At("192.0.2.7:5061")}), nullptr);
  // The newest to the same.
  Connection& fresh = table.Add(both[0], false, {});
  table.NoteDialled(fresh, gw);
  EXPECT_EQ(table.DialledTo(gw, {both[0]}), &fresh);
  table.Remove(old_id);  // does not take the new one with it
  EXPECT_EQ(table.DialledTo(gw, {both[0]}), &fresh);
  table.Remove(fresh.id);
  EXPECT_EQ(table.DialledTo(gw, {both[0]}), nullptr);
  EXPECT_EQ(table.DialledTo(gw, both), &other);
  EXPECT_EQ(table.DialledTo("", both), nullptr);
}

}  // namespace
}  // namespace sallyport::signaling_edge
