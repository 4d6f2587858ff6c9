#include "services/signaling_edge/core/connection_table.h"

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
  Connection& old = table.Add(At("192.0.2.1:5061"), false, {});
  table.NoteDialled(old, "tenants/t/peers/gw");
  const ConnectionId old_id = old.id;
  EXPECT_EQ(table.DialledTo("tenants/t/peers/gw"), &old);
  Connection& fresh = table.Add(At("192.0.2.9:5061"), false, {});
  table.NoteDialled(fresh, "tenants/t/peers/gw");
  table.Remove(old_id);  // does not take the new one with it
  EXPECT_EQ(table.DialledTo("tenants/t/peers/gw"), &fresh);
  table.Remove(fresh.id);
  EXPECT_EQ(table.DialledTo("tenants/t/peers/gw"), nullptr);
  EXPECT_EQ(table.DialledTo(""), nullptr);
}

}  // namespace
}  // namespace sallyport::signaling_edge
