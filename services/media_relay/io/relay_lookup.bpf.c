// Gives the datagrams of open relay ports to the socket of the loop that owns
// the port; for every other port the kernel looks on as if this were not here,
// so a port that is not allocated is closed.

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define IPPROTO_UDP 17
#define MAX_SLOTS 1024

struct slot_address {
  __u32 family;
  __u32 address[4];  // network order
};

// By port: 1 + the slot, 0 while the port is closed. Written by the loops
// through shared memory. One value, as an array map rounds each up to eight
// octets, and every datagram reads a place of its own.
struct port_slots {
  __u16 slot[65536];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct port_slots);
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_SLOTS);
  __type(key, __u32);
  __type(value, struct slot_address);
} addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, MAX_SLOTS);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

volatile const __u32 first_port = 0;
volatile const __u32 port_count = 0;

SEC("sk_lookup")
int relay_lookup(struct bpf_sk_lookup* ctx) {
  if (ctx->protocol != IPPROTO_UDP) return SK_PASS;
  __u32 port = ctx->local_port;
  if (port - first_port >= port_count) return SK_PASS;
  __u32 zero = 0;
  struct port_slots* ports_open = bpf_map_lookup_elem(&ports, &zero);
  if (!ports_open) return SK_PASS;
  __u32 slot = ports_open->slot[port & 0xFFFF];
  if (slot == 0) return SK_PASS;
  slot--;
  struct slot_address* own = bpf_map_lookup_elem(&addresses, &slot);
  if (!own || own->family != ctx->family) return SK_PASS;
  if (ctx->family == AF_INET) {
    if (own->address[0] != ctx->local_ip4) return SK_PASS;
  } else if (own->address[0] != ctx->local_ip6[0] ||
             own->address[1] != ctx->local_ip6[1] ||
             own->address[2] != ctx->local_ip6[2] ||
             own->address[3] != ctx->local_ip6[3]) {
    return SK_PASS;
  }
  struct bpf_sock* socket = bpf_map_lookup_elem(&sockets, &slot);
  if (!socket) return SK_PASS;
  bpf_sk_assign(ctx, socket, BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(socket);
  return SK_PASS;
}

char kLicense[] SEC("license") = "GPL";
