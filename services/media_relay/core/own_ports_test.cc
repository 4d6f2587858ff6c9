#include "services/media_relay/core/own_ports.h"

#include "gtest/gtest.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/relay_interface.h"

namespace sallyport::media_relay {
namespace {

Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

RelayInterface Between(const char* local, const char* advertised) {
  return {*IpAddress::Parse(local), *IpAddress::Parse(advertised)};
}

TEST(OwnPortsTest, RelayPortsAloneAreTranslated) {
  RelayInterfaces interfaces;
  interfaces.external_v4 = Between("10.0.0.1", "198.51.100.1");
  interfaces.external_v6 = Between("fd00::1", "2001:db8::1");
  interfaces.internal_v4 = Between("10.1.0.1", "10.1.0.1");
  const OwnPorts own(interfaces, 50000, 59999);
  for (const uint16_t port : {50000, 54321, 59999}) {
    EXPECT_EQ(own.Local(At("198.51.100.1", port)), At("10.0.0.1", port));
    EXPECT_EQ(own.Advertised(At("10.0.0.1", port)), At("198.51.100.1", port));
    EXPECT_EQ(own.Local(At("2001:db8::1", port)), At("fd00::1", port));
    EXPECT_EQ(own.Advertised(At("fd00::1", port)), At("2001:db8::1", port));
  }
  // Neither listeners nor anybody else, nor the wrong way round.
  for (const Endpoint& other :
       {At("198.51.100.1", 3478), At("198.51.100.1", 49999),
        At("198.51.100.1", 60000), At("198.51.100.2", 50000),
        At("10.0.0.1", 50000), At("10.1.0.1", 50000), Endpoint()}) {
    EXPECT_EQ(own.Local(other), other);
  }
  for (const Endpoint& other :
       {At("10.0.0.1", 3478), At("10.0.0.2", 50000), At("198.51.100.1", 50000),
        At("10.1.0.1", 50000), Endpoint()}) {
    EXPECT_EQ(own.Advertised(other), other);
  }
}

// Of a change of the advertised address.
TEST(OwnPortsTest, PortsKeepTheAddressThatTheirClientsKnow) {
  RelayInterfaces interfaces;
  interfaces.external_v4 = Between("10.0.0.1", "198.51.100.2");
  interfaces.external_v6 = Between("fd00::1", "2001:db8::2");
  const OwnPorts own(interfaces, 50000, 59999,
                     {At("198.51.100.1", 50001), At("2001:db8::1", 50002)});
  EXPECT_EQ(own.Local(At("198.51.100.1", 50001)), At("10.0.0.1", 50001));
  EXPECT_EQ(own.Advertised(At("10.0.0.1", 50001)), At("198.51.100.1", 50001));
  EXPECT_EQ(own.Local(At("2001:db8::1", 50002)), At("fd00::1", 50002));
  EXPECT_EQ(own.Advertised(At("fd00::1", 50002)), At("2001:db8::1", 50002));
  // The address that is told now leads there too.
  EXPECT_EQ(own.Local(At("198.51.100.2", 50001)), At("10.0.0.1", 50001));
  // Others are new, or somebody else's: the address may be another's by now.
  EXPECT_EQ(own.Advertised(At("10.0.0.1", 50002)), At("198.51.100.2", 50002));
  for (const Endpoint& other :
       {At("198.51.100.1", 50002), At("198.51.100.1", 50000),
        At("2001:db8::1", 50001), At("198.51.100.3", 50001)}) {
    EXPECT_EQ(own.Local(other), other);
  }
}

TEST(OwnPortsTest, WhereNatHasGoneFormerPortsAreStillKnown) {
  RelayInterfaces interfaces;
  interfaces.external_v4 = Between("198.51.100.7", "198.51.100.7");
  const OwnPorts own(interfaces, 50000, 59999, {At("198.51.100.1", 50001)});
  EXPECT_EQ(own.Local(At("198.51.100.1", 50001)), At("198.51.100.7", 50001));
  EXPECT_EQ(own.Advertised(At("198.51.100.7", 50001)),
            At("198.51.100.1", 50001));
  EXPECT_EQ(own.Local(At("198.51.100.7", 50002)), At("198.51.100.7", 50002));
  EXPECT_EQ(own.Advertised(At("198.51.100.7", 50002)),
            At("198.51.100.7", 50002));
}

TEST(OwnPortsTest, WithoutNatNothingIs) {
  RelayInterfaces interfaces;
  interfaces.external_v4 = Between("198.51.100.1", "198.51.100.1");
  const OwnPorts own(interfaces, 50000, 59999);
  EXPECT_EQ(own.Local(At("198.51.100.1", 50000)), At("198.51.100.1", 50000));
  EXPECT_EQ(own.Advertised(At("198.51.100.1", 50000)),
            At("198.51.100.1", 50000));
}

}  // namespace
}  // namespace sallyport::media_relay
