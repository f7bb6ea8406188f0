"""What people hear whom the hotline calls, by language and prompt id.

Nobody's number and no reference number is among it: who answers may be a child or a machine.
"""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "zh_CN": {
        "out_bridge_staff": "乡音热线：为您接通诉求人，请按幺。",
        "out_hold": "正在接通，请不要挂断。",
        "out_machine": "如果是留言机，请按九。",
        "out_bridge_resident": "您好，这里是{station}乡音热线，工作人员和您通话。",
        "out_nobody": "对方暂时没有接听，请稍后再试。再见。",
        "out_over": "对方已经挂断。再见。",
        "out_unjoined": "线路出了故障，没有接通。再见。",
        "out_human_staff": "乡音热线：有来电人在线等候，接听请按幺。",
        "out_place": "来电人所在的村是，",
        "out_duty_staff": "乡音热线紧急通知：刚刚有人来电，说被骗了钱。",
        "out_duty_choice": (
            "来电人挂断后，受理编号在诉求列表里。由您处理请按幺，马上接通来电人请按二。"
        ),
        "out_duty_choice_one": (
            "来电人没有显示号码。来电人挂断后，受理编号在诉求列表里。由您处理请按幺。"
        ),
        "out_duty_taken": "好的，交给您了。再见。",
        "out_duty_unreached": "来电人暂时接不通，请稍后从诉求列表里联系。再见。",
    },
    "en": {
        "out_bridge_staff": "Xiangyin hotline. To speak with the resident, press one.",
        "out_hold": "We are connecting you. Please hold the line.",
        "out_machine": "If it is an answering machine, press nine.",
        "out_bridge_resident": "Hello, this is the Xiangyin hotline. Our staff will speak to you.",
        "out_nobody": "Nobody answers for now. Please try again later. Goodbye.",
        "out_over": "The other side has hung up. Goodbye.",
        "out_unjoined": "The line failed, so you could not be connected. Goodbye.",
        "out_human_staff": "Xiangyin hotline. A caller is waiting. To take the call, press one.",
        "out_place": "The caller's village is,",
        "out_duty_staff": "Xiangyin hotline, urgent. Somebody has just been cheated of money.",
        "out_duty_choice": (
            "Once the caller hangs up, the reference number is in the list of reports. "
            "Press one to take it, two to speak with the caller now."
        ),
        "out_duty_choice_one": (
            "The caller's number was withheld. Once the caller hangs up, the reference number is "
            "in the list of reports. Press one to take it."
        ),
        "out_duty_taken": "Thank you, it is yours. Goodbye.",
        "out_duty_unreached": (
            "The caller cannot be reached for now. Please try later from the list. Goodbye."
        ),
    },
}
