from __future__ import annotations
import sys
from tests.tui.terminal import terminal
CODE='''
import cqtel_tui.tui.prompt as p, sys, time
t0=time.time()
old=p.Prompt.on_resize
def on_resize(self, event):
    open("/tmp/w/resize.log","a").write(f"{time.time()-t0:.3f} {event} {self._drawn_at}\\n")
    old(self,event)
p.Prompt.on_resize=on_resize
import cqtel_tui.__main__ as m
sys.exit(m.main(["--consent"]))
'''
def test_x(machine):
    open("/tmp/w/resize.log","w").close()
    with terminal(sys.executable,"-c",CODE) as t:
        for _ in range(15): t._read(0.1)
        t.type(b"l")
        t.end()
        print(t.text[:1000])
    print(open("/tmp/w/resize.log").read())
