// Forwards the datagrams of settled flows in the driver of the device that they
// arrive at (XDP), or, where the driver takes no program, in front of the
// kernel's protocols (tc), and gives what comes for open relay ports to the rings of their
// loop (AF_XDP), if there are any. What it does not know, or is not sure of,
// goes on to the sockets as if this were not here.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_LOOPS 64
#define MAX_PROBES 16
#define CHANNEL_HEAD 4
#define RING_DEVICES 4
#define RING_QUEUES 64
#define RING_ADDRESSES 16
// Longest frame that a ring takes: what is lent with it must fit behind.
#define RING_FRAME 1632

// All numbers but addresses and ports in the machine's order; the heads as they
// go out, with lengths and checksums left out. Read by the loops through shared
// memory, and written by them alone but for the counters and `next_pass_ns`.
// A flow that has ended keeps what it says for a while.
struct key_v4 {
  __u32 from, to;
  __u16 from_port, to_port;
  __u16 channel, zero;
} __attribute__((aligned(8)));
struct key_v6 {
  __u32 from[4], to[4];
  __u16 from_port, to_port;
  __u16 channel, zero;
} __attribute__((aligned(8)));
struct flow {
  __u64 expiry_ns;
  __u64 next_pass_ns;
  __u64 packets, bytes;
  __u32 interface;
  __u32 generation;
  __u16 loop;
  __u16 most_udp;   // longest UDP datagram that fits
  __u16 channel;    // of the ChannelData head to be written; 0: none
  __u16 udp_delta;  // what addresses and ports change in a checksum
  __u16 ip_sum;     // of the IPv4 head
  __u16 first_id;   // of the IPv4 head
  __u32 zero;
};
// Two lines and three lines of the cache.
struct entry_v4 {
  struct key_v4 key;
  struct flow flow;
  __u8 head[56];  // Ethernet, IP, UDP
};
struct entry_v6 {
  struct key_v6 key;
  struct flow flow;
  __u8 head[64];
  __u64 zero[4];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct entry_v4);
} entries_v4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct entry_v6);
} entries_v6 SEC(".maps");

// Hash tables of them with linear probing: the upper half of the hash, and in
// the lower half the number of the entry + 1; 0: free. Written by the loops.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} index_v4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} index_v6 SEC(".maps");

// By destination port, in the machine's order: whether a flow may have it. The
// tables above are large and hardly ever in the cache; most datagrams of media
// sessions need not ask them.
struct port_bits {
  __u64 word[65536 / 64];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct port_bits);
} flow_ports SEC(".maps");

// By loop: flows of another generation of its routes are not forwarded.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, MAX_LOOPS);
  __type(key, __u32);
  __type(value, __u64);
} generations SEC(".maps");

// Devices that flows leave by.
struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u32);
} devices SEC(".maps");

// By port - first_port: 0 while no ring takes it, else 1 + its loop in the
// upper half and the place of its address in the lower.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} ring_ports SEC(".maps");

struct ring_address {
  __u32 family;  // 4 or 6
  __u32 address[4];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, RING_ADDRESSES);
  __type(key, __u32);
  __type(value, struct ring_address);
} ring_addresses SEC(".maps");

// By place of the device and queue: 1 + the loop whose ring it is.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, RING_DEVICES* RING_QUEUES);
  __type(key, __u32);
  __type(value, __u32);
} ring_loops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, RING_DEVICES* RING_QUEUES);
  __type(key, __u32);
  __type(value, __u32);
} rings SEC(".maps");

// By loop: whether it wants to know when datagrams arrived.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, MAX_LOOPS);
  __type(key, __u32);
  __type(value, __u64);
} ring_stamps SEC(".maps");

// The same struct stands in kernel_flows.cc.
struct settings {
  __u64 seed;
  __u32 mask_v4, mask_v6;
  __u32 first_port, port_count;  // that rings may take
  __u32 ring_devices[RING_DEVICES];
};
volatile const struct settings settings = {};

// One datagram of a flow in this time takes the long way, so that the kernel
// keeps its neighbour fresh and the loop looks at the route again.
#define PASS_INTERVAL_NS 2000000000ull

static __always_inline __u16 fold(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

// As in kernel_flows.cc.
static __always_inline __u64 mix(__u64 hash, __u64 word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
  return hash ^ (hash >> 32);
}

static __always_inline int may_have_flow(__u16 to_port) {
  __u32 zero = 0;
  struct port_bits* bits = bpf_map_lookup_elem(&flow_ports, &zero);
  if (!bits) return 0;
  __u32 port = bpf_ntohs(to_port);
  return bits->word[port >> 6] >> (port & 63) & 1;
}

static __always_inline struct entry_v4* find_v4(const struct key_v4* key) {
  if (!may_have_flow(key->to_port)) return 0;
  const __u64* words = (const __u64*)key;
  __u64 hash = mix(mix(settings.seed, words[0]), words[1]);
  __u32 mark = hash >> 32;
  for (__u32 i = 0; i < MAX_PROBES; i++) {
    __u32 place = ((__u32)hash + i) & settings.mask_v4;
    __u64* found = bpf_map_lookup_elem(&index_v4, &place);
    if (!found || *found == 0) return 0;
    if ((__u32)(*found >> 32) != mark) continue;
    __u32 number = (__u32)*found - 1;
    struct entry_v4* entry = bpf_map_lookup_elem(&entries_v4, &number);
    if (!entry) return 0;
    const __u64* own = (const __u64*)&entry->key;
    if (own[0] == words[0] && own[1] == words[1]) return entry;
  }
  return 0;
}

static __always_inline struct entry_v6* find_v6(const struct key_v6* key) {
  if (!may_have_flow(key->to_port)) return 0;
  const __u64* words = (const __u64*)key;
  __u64 hash = settings.seed;
  for (int i = 0; i < 5; i++) hash = mix(hash, words[i]);
  __u32 mark = hash >> 32;
  for (__u32 i = 0; i < MAX_PROBES; i++) {
    __u32 place = ((__u32)hash + i) & settings.mask_v6;
    __u64* found = bpf_map_lookup_elem(&index_v6, &place);
    if (!found || *found == 0) return 0;
    if ((__u32)(*found >> 32) != mark) continue;
    __u32 number = (__u32)*found - 1;
    struct entry_v6* entry = bpf_map_lookup_elem(&entries_v6, &number);
    if (!entry) return 0;
    const __u64* own = (const __u64*)&entry->key;
    if (own[0] == words[0] && own[1] == words[1] && own[2] == words[2] &&
        own[3] == words[3] && own[4] == words[4]) {
      return entry;
    }
  }
  return 0;
}

// What becomes of a datagram.
struct rewrite {
  __u32 out_length;  // of the UDP datagram
  __u16 payload;
  __u16 check;
  int shift;  // octets that its head grows shorter by
};

// Whether the flow takes it, and how; `udp` and the four octets behind it are
// read. Neither here nor in forward() and forward_skb() is there room for a
// mistake: what one of them has begun to change is not passed on.
static __always_inline int decide(const struct udphdr* udp, void* end,
                                  struct flow* flow, int v6, __u16 channel,
                                  struct rewrite* out) {
  const unsigned char* behind = (const void*)(udp + 1);
  __u32 udp_length = bpf_ntohs(udp->len);
  __u16 check = udp->check;
  if (udp_length < 8 || (v6 && check == 0)) return 0;
  __u32 payload = udp_length - 8;
  __u16 first = 0, second = 0;
  if (channel) {
    if (behind + CHANNEL_HEAD > (const unsigned char*)end) return 0;
    first = *(__u16*)behind;
    second = *(__u16*)(behind + 2);
    // Padding is not data; it is rare on UDP, and the long way's.
    if (payload < CHANNEL_HEAD || bpf_ntohs(second) != payload - CHANNEL_HEAD) {
      return 0;
    }
    payload -= CHANNEL_HEAD;
  } else if (payload == 0) {
    return 0;
  }
  __u16 head_channel = flow->channel;
  __u32 out_length = payload + 8 + (head_channel ? CHANNEL_HEAD : 0);
  if (out_length > flow->most_udp) return 0;
  __u32 loop = flow->loop;
  __u64* generation = bpf_map_lookup_elem(&generations, &loop);
  if (!generation || (__u32)*generation != flow->generation) return 0;
  __u64 now = bpf_ktime_get_coarse_ns();
  if (now >= flow->expiry_ns) return 0;
  // In seconds, the upper half: a program of tc outlives its process.
  if (now / 1000000000ull > *generation >> 32) return 0;
  if (now >= flow->next_pass_ns) {
    flow->next_pass_ns = now + PASS_INTERVAL_NS;
    return 0;
  }

  if (check) {
    // RFC 1624: what leaves the sum, and what enters it. The length counts
    // twice, in the head and in the pseudo head.
    __u64 sum = (__u16)~check;
    sum += flow->udp_delta;
    sum += 2 * (__u64)(__u16)~udp->len;
    sum += 2 * (__u64)bpf_htons((__u16)out_length);
    if (channel) sum += (__u64)(__u16)~first + (__u16)~second;
    if (head_channel) {
      sum += bpf_htons(head_channel);
      sum += bpf_htons((__u16)payload);
    }
    check = ~fold(sum);
    if (check == 0) check = 0xffff;
  }
  out->out_length = out_length;
  out->payload = payload;
  out->check = check;
  out->shift = (channel ? CHANNEL_HEAD : 0) - (head_channel ? CHANNEL_HEAD : 0);
  return 1;
}

// Writes the heads of a datagram of this flow, which is counted; `data` has
// room for them.
static __always_inline void write_heads(unsigned char* data, struct flow* flow,
                                        const __u8* head, __u32 udp_at,
                                        const struct rewrite* how) {
  // A device gives one flow to one core, so nobody else counts here.
  __u64 number = flow->packets++;
  flow->bytes += how->payload;
  if (udp_at == 54) {
    __builtin_memcpy(data, head, 62);
    struct ipv6hdr* ip = (void*)(data + 14);
    ip->payload_len = bpf_htons((__u16)how->out_length);
  } else {
    __builtin_memcpy(data, head, 42);
    struct iphdr* ip = (void*)(data + 14);
    ip->tot_len = bpf_htons((__u16)(how->out_length + 20));
    ip->id = (__u16)(number * 40503u + flow->first_id);
    ip->check = ~fold((__u64)flow->ip_sum + ip->tot_len + ip->id);
  }
  struct udphdr* udp = (void*)(data + udp_at);
  udp->len = bpf_htons((__u16)how->out_length);
  udp->check = how->check;
}

// `udp_at` is where the UDP head begins; a constant in each of the two calls.
static __always_inline int forward(struct xdp_md* context, struct flow* flow,
                                   const __u8* head, __u32 udp_at,
                                   __u16 channel) {
  unsigned char* data = (void*)(long)context->data;
  unsigned char* end = (void*)(long)context->data_end;
  if (data + udp_at + 8 > end) return XDP_PASS;
  struct rewrite how;
  if (!decide((void*)(data + udp_at), end, flow, udp_at == 54, channel, &how)) {
    return XDP_PASS;
  }
  __u16 head_channel = flow->channel;
  if (how.shift && bpf_xdp_adjust_head(context, how.shift) != 0) {
    return XDP_PASS;
  }
  data = (void*)(long)context->data;
  end = (void*)(long)context->data_end;
  // Cut short by nothing but ourselves: cannot happen, and is not passed on.
  if (data + udp_at + 8 > end) return XDP_ABORTED;
  write_heads(data, flow, head, udp_at, &how);
  if (head_channel && data + udp_at + 8 + CHANNEL_HEAD <= end) {
    *(__u16*)(data + udp_at + 8) = bpf_htons(head_channel);
    *(__u16*)(data + udp_at + 10) = bpf_htons(how.payload);
  }
  // Also back out of the same device: XDP_TX over a veth is lost unless its
  // peer has a program too.
  return bpf_redirect_map(&devices, flow->interface, 0);
}

// The same of a socket buffer. Its head grows or shrinks between the heads of
// the link and of IP, all of which are written anew. What the kernel or the
// device knows of the checksum of the whole is kept true (CHECKSUM_COMPLETE) or
// forgotten.
static __always_inline int forward_skb(struct __sk_buff* skb, struct flow* flow,
                                       const __u8* head, __u32 udp_at,
                                       __u16 channel) {
  unsigned char* data = (void*)(long)skb->data;
  unsigned char* end = (void*)(long)skb->data_end;
  if (data + udp_at + 8 > end) return TC_ACT_OK;
  struct rewrite how;
  if (!decide((void*)(data + udp_at), end, flow, udp_at == 54, channel, &how)) {
    return TC_ACT_OK;
  }
  if (how.shift &&
      bpf_skb_adjust_room(skb, -how.shift, BPF_ADJ_ROOM_MAC, 0) != 0) {
    return TC_ACT_OK;
  }
  // One more than they take, for the alignment of what is behind Ethernet's.
  __u8 room[72] __attribute__((aligned(8)));
  unsigned char* heads = room + 2;
  write_heads(heads, flow, head, udp_at, &how);
  __u16 head_channel = flow->channel;
  *(__u16*)(heads + udp_at + 8) = bpf_htons(head_channel);
  *(__u16*)(heads + udp_at + 10) = bpf_htons(how.payload);
  // The sum of the whole begins behind Ethernet's.
  if (bpf_skb_store_bytes(skb, 0, heads, 14, 0) != 0) return TC_ACT_SHOT;
  if (head_channel ? bpf_skb_store_bytes(skb, 14, heads + 14,
                                         udp_at + 8 + CHANNEL_HEAD - 14,
                                         BPF_F_RECOMPUTE_CSUM) != 0
                   : bpf_skb_store_bytes(skb, 14, heads + 14, udp_at + 8 - 14,
                                         BPF_F_RECOMPUTE_CSUM) != 0) {
    return TC_ACT_SHOT;
  }
  return bpf_redirect(flow->interface, 0);
}

// The ring of an open relay port; `to` is the address that it came to.
static __always_inline int to_ring(struct xdp_md* context, __u32 family,
                                   const __u32* to, __u16 port) {
  __u32 at = bpf_ntohs(port) - settings.first_port;
  if (at >= settings.port_count) return XDP_PASS;
  __u32* open = bpf_map_lookup_elem(&ring_ports, &at);
  if (!open || *open == 0) return XDP_PASS;
  __u32 loop = *open >> 16;  // + 1
  __u32 place = *open & 0xffff;
  struct ring_address* own = bpf_map_lookup_elem(&ring_addresses, &place);
  if (!own || own->family != family || own->address[0] != to[0]) {
    return XDP_PASS;
  }
  if (family == 6 && (own->address[1] != to[1] || own->address[2] != to[2] ||
                      own->address[3] != to[3])) {
    return XDP_PASS;
  }
  if ((void*)(long)context->data + RING_FRAME <
      (void*)(long)context->data_end) {
    return XDP_PASS;
  }
  __u32 device = RING_DEVICES;
#pragma unroll
  for (__u32 i = 0; i < RING_DEVICES; i++) {
    if (settings.ring_devices[i] == context->ingress_ifindex) device = i;
  }
  if (device == RING_DEVICES || context->rx_queue_index >= RING_QUEUES) {
    return XDP_PASS;
  }
  __u32 ring = device * RING_QUEUES + context->rx_queue_index;
  __u32* owner = bpf_map_lookup_elem(&ring_loops, &ring);
  if (!owner || *owner != loop) return XDP_PASS;
  loop--;
  __u64* stamps = bpf_map_lookup_elem(&ring_stamps, &loop);
  // When it arrived, twice, so that the loop can tell it from what was there.
  if (stamps && *stamps != 0 && bpf_xdp_adjust_meta(context, -16) == 0) {
    __u64* stamp = (void*)(long)context->data_meta;
    if ((void*)(stamp + 2) <= (void*)(long)context->data) {
      stamp[0] = bpf_ktime_get_ns();
      stamp[1] = ~stamp[0];
    }
  }
  return bpf_redirect_map(&rings, ring, XDP_PASS);
}

// The channel of what looks like ChannelData; 0 for all else.
static __always_inline __u16 channel_of(unsigned char* payload, void* end) {
  if (payload + CHANNEL_HEAD > (unsigned char*)end) return 0;
  if ((payload[0] & 0xc0) != 0x40) return 0;
  return payload[0] << 8 | payload[1];
}

SEC("xdp")
int kernel_flows(struct xdp_md* context) {
  unsigned char* data = (void*)(long)context->data;
  void* end = (void*)(long)context->data_end;
  struct ethhdr* ethernet = (void*)data;
  if (data + 14 + 20 + 8 > (unsigned char*)end) return XDP_PASS;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = (void*)(data + 14);
    // Without options, whole, and of the length it says.
    if (*(__u8*)ip != 0x45 || ip->protocol != IPPROTO_UDP ||
        (ip->frag_off & bpf_htons(0x3fff)) != 0) {
      return XDP_PASS;
    }
    struct udphdr* udp = (void*)(data + 34);
    if (bpf_ntohs(ip->tot_len) != bpf_ntohs(udp->len) + 20 ||
        data + 14 + bpf_ntohs(ip->tot_len) > (unsigned char*)end) {
      return XDP_PASS;
    }
    struct key_v4 key = {ip->saddr, ip->daddr, udp->source, udp->dest};
    key.channel = channel_of(data + 42, end);
    struct entry_v4* entry = find_v4(&key);
    if (!entry && key.channel) {
      key.channel = 0;
      entry = find_v4(&key);
    }
    if (entry) {
      int done = forward(context, &entry->flow, entry->head, 34, key.channel);
      if (done != XDP_PASS) return done;
    }
    return to_ring(context, 4, &key.to, key.to_port);
  }
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
    if (data + 14 + 40 + 8 > (unsigned char*)end) return XDP_PASS;
    struct ipv6hdr* ip = (void*)(data + 14);
    if (ip->nexthdr != IPPROTO_UDP) return XDP_PASS;
    struct udphdr* udp = (void*)(data + 54);
    if (ip->payload_len != udp->len ||
        data + 54 + bpf_ntohs(udp->len) > (unsigned char*)end) {
      return XDP_PASS;
    }
    struct key_v6 key = {};
    __builtin_memcpy(key.from, &ip->saddr, 16);
    __builtin_memcpy(key.to, &ip->daddr, 16);
    key.from_port = udp->source;
    key.to_port = udp->dest;
    key.channel = channel_of(data + 62, end);
    struct entry_v6* entry = find_v6(&key);
    if (!entry && key.channel) {
      key.channel = 0;
      entry = find_v6(&key);
    }
    if (entry) {
      int done = forward(context, &entry->flow, entry->head, 54, key.channel);
      if (done != XDP_PASS) return done;
    }
    return to_ring(context, 6, key.to, key.to_port);
  }
  return XDP_PASS;
}

// A checksum that the sender's kernel has left to a device is the sum of the
// pseudo head alone, so far. A buffer remembers where such a one begins, and
// nothing here can move that, so those go on to the sockets; of others one in
// 65536 looks the same and goes with them.
static __always_inline int is_unfinished(const void* addresses, __u32 words,
                                         const struct udphdr* udp) {
  const __u32* word = addresses;
  __u64 sum = bpf_htons(IPPROTO_UDP);
  sum += udp->len;
#pragma unroll
  for (__u32 i = 0; i < 8; i++) {
    if (i < words) sum += word[i];
  }
  return fold(sum) == udp->check;
}

// In the linear part of the buffer.
#define HEADS 66

SEC("tc")
int kernel_flows_tc(struct __sk_buff* skb) {
  // For another station, bundled, or of a VLAN of the device's: not ours.
  if (skb->pkt_type != 0 || skb->gso_size != 0 || skb->vlan_present) {
    return TC_ACT_OK;
  }
  if (skb->protocol != bpf_htons(ETH_P_IP) &&
      skb->protocol != bpf_htons(ETH_P_IPV6)) {
    return TC_ACT_OK;
  }
  unsigned char* data = (void*)(long)skb->data;
  void* end = (void*)(long)skb->data_end;
  __u32 want = skb->len < HEADS ? skb->len : HEADS;
  if (data + want > (unsigned char*)end) {
    if (bpf_skb_pull_data(skb, want) != 0) return TC_ACT_OK;
    data = (void*)(long)skb->data;
    end = (void*)(long)skb->data_end;
  }
  if (data + 14 + 20 + 8 > (unsigned char*)end) return TC_ACT_OK;
  struct ethhdr* ethernet = (void*)data;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = (void*)(data + 14);
    if (*(__u8*)ip != 0x45 || ip->protocol != IPPROTO_UDP ||
        (ip->frag_off & bpf_htons(0x3fff)) != 0) {
      return TC_ACT_OK;
    }
    struct udphdr* udp = (void*)(data + 34);
    if (bpf_ntohs(ip->tot_len) != bpf_ntohs(udp->len) + 20 ||
        14u + bpf_ntohs(ip->tot_len) > skb->len) {
      return TC_ACT_OK;
    }
    struct key_v4 key = {ip->saddr, ip->daddr, udp->source, udp->dest};
    key.channel = channel_of(data + 42, end);
    struct entry_v4* entry = find_v4(&key);
    if (!entry && key.channel) {
      key.channel = 0;
      entry = find_v4(&key);
    }
    if (!entry || is_unfinished(&ip->saddr, 2, udp)) return TC_ACT_OK;
    return forward_skb(skb, &entry->flow, entry->head, 34, key.channel);
  }
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
    if (data + 14 + 40 + 8 > (unsigned char*)end) return TC_ACT_OK;
    struct ipv6hdr* ip = (void*)(data + 14);
    if (ip->nexthdr != IPPROTO_UDP) return TC_ACT_OK;
    struct udphdr* udp = (void*)(data + 54);
    if (ip->payload_len != udp->len ||
        54u + bpf_ntohs(udp->len) > skb->len) {
      return TC_ACT_OK;
    }
    struct key_v6 key = {};
    __builtin_memcpy(key.from, &ip->saddr, 16);
    __builtin_memcpy(key.to, &ip->daddr, 16);
    key.from_port = udp->source;
    key.to_port = udp->dest;
    key.channel = channel_of(data + 62, end);
    struct entry_v6* entry = find_v6(&key);
    if (!entry && key.channel) {
      key.channel = 0;
      entry = find_v6(&key);
    }
    if (!entry || is_unfinished(&ip->saddr, 8, udp)) return TC_ACT_OK;
    return forward_skb(skb, &entry->flow, entry->head, 54, key.channel);
  }
  return TC_ACT_OK;
}

char kLicense[] SEC("license") = "GPL";
