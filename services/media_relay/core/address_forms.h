// The address forms that no peer may have, for the tests of every entry point
// (the SSRF probe of the published advisories on TURN servers).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ADDRESS_FORMS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ADDRESS_FORMS_H_

namespace sallyport::media_relay {

inline constexpr const char* kForbiddenAddressForms[] = {
    // IPv4
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1",
    "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255",
    // IPv6
    "::", "::1", "100::1", "2001:db8::1", "fc00::1", "fd00::1", "fe80::1",
    "fec0::1", "ff02::1", "ff0e::1",
    // IPv4 inside IPv6
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808",
    "64:ff9b:1::a00:1", "2002:7f00:1::1", "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "fe80::5efe:7f00:1",
    "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1",
    // Forms with a special meaning inside 2000::/3
    "2001:10::1", "2001:20::1", "3ffe::1", "3fff::1"};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ADDRESS_FORMS_H_
