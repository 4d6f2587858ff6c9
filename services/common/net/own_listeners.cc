#include "services/common/net/own_listeners.h"

#include <dirent.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "services/common/net/socket_address.h"

namespace sallyport {
namespace {

using Entry = std::tuple<bool, std::string, uint16_t>;  // udp, ip, port

// 0 where the option is not to be had, as of a descriptor that is no socket.
int OptionOf(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : 0;
}

std::optional<Entry> ListenerOf(int fd) {
  const int type = OptionOf(fd, SO_TYPE);
  if (type != SOCK_STREAM && type != SOCK_DGRAM) return std::nullopt;
  if (type == SOCK_STREAM && OptionOf(fd, SO_ACCEPTCONN) == 0) {
    return std::nullopt;
  }
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (type == SOCK_DGRAM && getpeername(fd, address, &size) == 0) {
    return std::nullopt;
  }
  size = sizeof(storage);
  if (getsockname(fd, address, &size) != 0) return std::nullopt;
  // Nothing but IP has an address here.
  const auto own = SocketAddress::FromSockaddr(address, size);
  if (!own.has_value() || own->port() == 0) return std::nullopt;
  return Entry{type == SOCK_DGRAM, own->Canonical().IpText(), own->port()};
}

}  // namespace

std::vector<OwnListener> OwnListeners() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"),
                                                   &closedir);
  if (folder == nullptr) return {};
  std::set<Entry> found;
  while (const dirent* const one = readdir(folder.get())) {
    if (one->d_name[0] < '0' || one->d_name[0] > '9') continue;
    const auto entry = ListenerOf(std::atoi(one->d_name));
    if (entry.has_value()) found.insert(*entry);
  }
  std::vector<OwnListener> out;
  for (const auto& [udp, ip, port] : found) {
    if (!out.empty() && out.back().udp == udp && out.back().ip == ip &&
        out.back().last_port + 1 == port) {
      out.back().last_port = port;
    } else {
      out.push_back({udp, ip, port, port});
    }
  }
  return out;
}

}  // namespace sallyport
